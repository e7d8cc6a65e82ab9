#!/bin/sh
# Runs the suites of threads, calls and the cache under the thread sanitizer: a data race in the
# Swift or C++ of the package fails. First a planted race must be reported.
#
# usage: Tests/ThreadSanitizer/run.sh
set -eu
cd "$(dirname "$0")/../.."
suites='StressTests|ThreadTests|WorkerPoolTests|CachedCompilationTests|LoadedObjectTests'
flags='--sanitize=thread --scratch-path .build-tsan'
suppressions=$PWD/Tests/ThreadSanitizer/suppressions.txt
export TSAN_OPTIONS="suppressions=$suppressions halt_on_error=0 exitcode=66 report_signal_unsafe=0"
# A cache of its own, so that kernels are compiled and not only linked.
NORMGEN_CACHE=$(mktemp -d)
export NORMGEN_CACHE
log=$(mktemp)
trap 'rm -rf "$NORMGEN_CACHE" "$log"' EXIT

# shellcheck disable=SC2086 # a list of words
swift build --build-tests $flags

# shellcheck disable=SC2086
if NORMGEN_PLANTED_RACE=1 swift test --skip-build $flags --filter plantedRace >"$log" 2>&1 ||
  ! grep -q "WARNING: ThreadSanitizer: data race" "$log"; then
  cat "$log"
  echo "error: the planted race was not reported" >&2
  exit 1
fi
echo "the planted race was reported"

# shellcheck disable=SC2086
swift test --skip-build $flags --filter "$suites"

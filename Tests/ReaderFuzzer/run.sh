#!/bin/sh
# Runs the readers of .ng, .npy, .safetensors and .gguf under libFuzzer, guided by coverage: none may crash,
# hang, take much memory, or refuse a file without saying which. First a planted crash must be found.
#
# usage: Tests/ReaderFuzzer/run.sh [SECONDS [READER...]]     (for each reader; by default 600)
#
# What breaks a reader lies in .build-reader afterwards; made small, it belongs in Corpus.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-600}
if [ $# -gt 1 ]; then shift; else set -- ng npy safetensors gguf; fi
build=.build-reader
flags="-c release --package-path Tests/ReaderFuzzer --scratch-path $build -Xswiftc -sanitize=fuzzer"
# shellcheck disable=SC2086 # a list of words
swift build $flags
# shellcheck disable=SC2086
fuzzer=$(swift build $flags --show-bin-path)/ReaderFuzzer
# Swift's handler of crashes would keep libFuzzer's from writing down the file.
export SWIFT_BACKTRACE=enable=no
found=$(mktemp -d)
trap 'rm -rf /dev/shm/normgen-reader-* "$found"' EXIT

if NORMGEN_PLANTED_CRASH=1 NORMGEN_READER=npy "$fuzzer" -max_total_time=120 -max_len=512 \
  -dict=Tests/ReaderFuzzer/npy.dict -artifact_prefix="$found/" >"$found/log" 2>&1 ||
  ! ls "$found"/crash-* >"$found/names" 2>&1; then
  cat "$found/log"
  echo "error: the planted crash was not found" >&2
  exit 1
fi
echo "the planted crash was found"

for reader in "$@"; do
  mkdir -p "$build/corpus/$reader"
  NORMGEN_READER=$reader "$fuzzer" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 \
    -max_len=4096 -len_control=0 -print_final_stats=1 -dict="Tests/ReaderFuzzer/$reader.dict" \
    -artifact_prefix="$build/$reader-" "$build/corpus/$reader" "Tests/ReaderFuzzer/Corpus/$reader"
done

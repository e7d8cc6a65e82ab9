#!/bin/sh
# Runs the suites of the contract with another LLVM: the bits must be those of the recorded digests,
# and whatever else holds must hold there too.
#
# usage: Tests/OtherLLVM/run.sh 14|19|22
set -eu
cd "$(dirname "$0")/../.."
export NORMGEN_LLVM="${1:?expected the version of LLVM: 14, 19 or 22}"
Support/setup.sh test
flags="-c release -Xswiftc -enable-testing --scratch-path .build-llvm-$NORMGEN_LLVM"
suites='DigestTests|DifferentialTests|SpecialValueTests|MatmulKernelTests|RowSumTests|ClangSession'
# An object of another LLVM must not be taken for this one's.
NORMGEN_CACHE=$(mktemp -d)
export NORMGEN_CACHE
trap 'rm -rf "$NORMGEN_CACHE"' EXIT
# shellcheck disable=SC2086 # a list of words
swift build --build-tests $flags
# shellcheck disable=SC2086
swift test --skip-build $flags --filter "$suites"

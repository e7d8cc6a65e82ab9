#!/bin/sh
# Sets up the peers' Python environment where it is missing, and runs the comparison.
#
# usage: Benchmarks/peers/run.sh [OPTION...], after `swift build -c release`; --help lists options.
#
# PYTHON chooses the interpreter of the environment, by default python3 (3.11 or later).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$("$here/../../Support/venv.sh" "$here/requirements.txt" "$here/../../.build-peers")
exec "$folder/venv/bin/python" "$here" --folder "$folder" "$@"

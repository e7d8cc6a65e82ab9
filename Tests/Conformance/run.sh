#!/bin/sh
# Sets up the frameworks' Python environment where it is missing, and compares our kernels with them.
#
# usage: Tests/Conformance/run.sh [OPTION...], after `swift build -c release`; --help lists options.
#
# PYTHON chooses the interpreter of the environment, by default python3 (3.11 or later).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$("$here/../../Support/venv.sh" "$here/requirements.txt" "$here/../../.build-conformance")
exec "$folder/venv/bin/python" "$here" --folder "$folder" "$@"

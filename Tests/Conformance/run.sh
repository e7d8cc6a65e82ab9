#!/bin/sh
# Sets up the frameworks' Python environment where it is missing, and compares our kernels with them.
#
# usage: Tests/Conformance/run.sh [OPTION...], after `swift build -c release`; --help lists options.
#
# PYTHON chooses the interpreter of the environment, by default python3 (3.11 or later).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$here/../../.build-conformance
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
venv=$folder/venv
stamp=$folder/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  # Last, so that an interrupted installation begins again.
  cp "$here/requirements.txt" "$stamp"
fi
exec "$venv/bin/python" "$here" --folder "$folder" "$@"

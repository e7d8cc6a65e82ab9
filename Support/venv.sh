#!/bin/sh
# Sets up a Python environment where it is missing or older than its list of packages, and prints
# its folder.
#
# usage: Support/venv.sh REQUIREMENTS FOLDER
#
# PYTHON chooses the interpreter of the environment, by default python3 (3.11 or later).
set -eu
requirements=$1
folder=$2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
venv=$folder/venv
stamp=$folder/requirements.txt
if ! cmp -s "$requirements" "$stamp"; then
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
  # Last, so that an interrupted installation begins again.
  cp "$requirements" "$stamp"
fi
echo "$folder"

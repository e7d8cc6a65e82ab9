#!/bin/sh
# Runs a command under a heading and says how long it took.
#
# usage: Support/step.sh NAME COMMAND [ARGUMENT...]
name=$1
shift
echo "== $name"
start=$(date +%s)
"$@"
status=$?
seconds=$(($(date +%s) - start))
if [ $status -eq 0 ]; then
  echo "== $name: $seconds s"
else
  echo "== $name: FAILED after $seconds s with status $status" >&2
fi
exit $status

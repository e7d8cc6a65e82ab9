#!/bin/sh
# Runs every Float32 input through every elementary function, and writes ulp.json beside this file:
# greatest errors over all 2^32 inputs (about 15 minutes of processor time), then speeds.
# usage: measure.sh [ISA [STRIDE]], from the root of the repository. STRIDE 1 (all inputs) is the
# default; a greater one samples, prints, and leaves ulp.json alone.
set -eu
isa=${1:-avx2}
stride=${2:-1}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $isa in
  avx2) flags=-march=x86-64-v3 ;;
  avx512) flags="-march=x86-64-v4 -mprefer-vector-width=512" ;;
  *) flags= ;;
esac
python3 "$here/exports.py" "$isa" > "$work/templates.c"
${CC:-cc} -O3 $flags -ffp-contract=off -DTEMPLATES="\"$work/templates.c\"" \
  "$here/ulp.c" -lm -o "$work/ulp"
printf '%s\n' exp log tanh erf sigmoid sqrt fma |
  nice -n 10 xargs -P "${JOBS:-2}" -I FUNCTION \
    sh -c '"$1" FUNCTION error "$2" > "$3/FUNCTION.error"' - "$work/ulp" "$stride" "$work"
"$work/ulp" all speed > "$work/speed"
python3 - "$work" "$isa" > "$work/ulp.json" <<'END'
import json, pathlib, sys
work = pathlib.Path(sys.argv[1])
speeds = [json.loads(line) for line in (work / "speed").read_text().splitlines()]
functions = []
for speed in speeds:
    error = json.loads((work / f"{speed['function']}.error").read_text())
    functions.append({**error, "ns_per_element": speed["ns_per_element"],
                      "cycles_per_element": speed["cycles_per_element"]})
print(json.dumps({"isa": sys.argv[2], "functions": functions}, indent=2))
END
cat "$work/ulp.json"
if [ "$stride" = 1 ]; then cp "$work/ulp.json" "$here/ulp.json"; fi

#!/usr/bin/env python3
"""Runs Float32 arguments through every elementary function and the activations composed of them.

usage, from the root of the repository:
  measure.py [STRIDE]   all 2^32 arguments, or one block of 64 in STRIDE: writes errors.json beside
                        this file, the greatest errors, where they are, and digests of the result
                        bits, compared as by bits; about 6 minutes of one core with AVX-512
                        besides. JOBS=2 in the environment runs two parts at a time.
  measure.py bits       the digests of all 2^32 results on every instruction set that runs here, which
                        must be those of errors.json: 13 minutes of one core.
  measure.py check      a sample of the arguments and the places in errors.json: seconds. Fails where
                        errors or digests are not those of errors.json.
  measure.py speed [ISA]
                        nanoseconds and reference cycles an element.

The errors are measured against Float64 functions of glibc's vector library, which are off by 4 units
of a double at most, 2^-27 units of a Float32; the greatest errors are confirmed in quadruple
precision by libquadmath.
Needs GCC and glibc 2.35 on x86-64.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "Support"))

import outputs  # noqa: E402

TABLE = HERE / "errors.json"
FUNCTIONS = ["exp", "log", "tanh", "erf", "sigmoid", "silu", "gelu", "gelu_tanh", "sqrt", "fma"]
# What hardware rounds.
EXACT = {"sqrt", "fma"}
SIDES = ["negative", "positive"]
# Of so many blocks one is checked: a multiple of the stride, so that the record has seen it.
SAMPLE = 4097
PARTS = 64
V4 = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
# The widest last: it makes the sweep.
FLAGS = {
    # The compiler may use what the machine has: the C is that for any machine.
    "portable": ["-march=x86-64-v3"],
    "avx2": ["-march=x86-64-v3"],
    "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}


def cpuinfo(key):
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def usable():
    return [name for name in FLAGS if name != "avx512" or V4 <= set(cpuinfo("flags").split())]


def build(work, isa):
    templates = work / f"{isa}.c"
    exports = [sys.executable, str(HERE / "exports.py"), isa]
    templates.write_text(subprocess.run(exports, stdout=subprocess.PIPE, text=True, check=True).stdout)
    program = work / isa
    # Only without errno and traps may loops call the vector library; no result depends on them.
    subprocess.run(["gcc", "-O3", *FLAGS[isa], "-std=gnu11", "-ffp-contract=off", "-w",
                    "-fno-math-errno", "-fno-trapping-math", "-DVECTOR_LIBRARY", "-DQUADRUPLE",
                    f'-DTEMPLATES="{templates}"', HERE / "ulp.c", "-o", program, "-lquadmath",
                    "-lmvec", "-lm"], check=True)
    return program


def output(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def confirmed(program, function, worst):
    """The error at the worst place in quadruple precision, which the sweep's must be."""
    exact = float(output(program, function, "at", worst["at"]))
    if not abs(exact - worst["ulps"]) <= 1e-6 * max(1, exact):
        raise SystemExit(f"{function}({worst['at']}): {worst['ulps']} ulps, exactly {exact}")
    return {**worst, "ulps": exact}


def digests(programs, function, stride):
    found = {name: output(program, function, "digest", stride).split()[1]
             for name, program in programs.items()}
    if len(set(found.values())) != 1:
        raise SystemExit(f"{function}: bits differ between targets: {found}")
    return found.popitem()[1]


def compared(programs, entry, stride):
    """Demands the digest of an entry, whose arguments are one in stride, from every target."""
    digest = digests(programs, entry["function"], stride)
    # With a stride, sweeps and digests choose other arguments.
    if stride == 1 and digest != entry["digest"]:
        raise SystemExit(f"{entry['function']}: digest {digest}, not {entry['digest']}")


def merged(parts):
    """The record of several parts of the arguments: the greatest errors, and sums of the rest."""
    entry = {key: sum(part[key] for part in parts)
             for key in ["arguments", "wrong_specials", "correctly_rounded"]}
    for side in SIDES:
        found = [part[side] for part in parts if part[side]]
        entry[side] = dict(max(found, key=lambda worst: worst["ulps"])) if found else None
        if found and "of_argument" in found[0]:
            shares = [worst["of_argument"] for worst in found]
            entry[side]["of_argument"] = max(shares, key=float.fromhex)
    digest = sum(int(part["digest"], 16) for part in parts) % (1 << 64)
    return {**entry, "digest": f"{digest:016x}"}


def measured(programs, sweep, stride, function, parts):
    entry = {"function": function, **merged(parts)}
    if entry["wrong_specials"]:
        raise SystemExit(f"{function}: {entry['wrong_specials']} wrong special results")
    for side in SIDES:
        if entry[side]:
            entry[side] = confirmed(programs[sweep], function, entry[side])
    entry["sample_digest"] = digests(programs, function, SAMPLE)
    compared(programs, entry, stride)
    return entry


def measure(work, stride):
    programs = {isa: build(work, isa) for isa in usable()}
    sweep = list(programs)[-1]
    # A sample counts its blocks from the first argument on.
    parts = [[part] for part in range(PARTS)] if stride == 1 else [[]]
    tasks = [(function, part) for function in FUNCTIONS for part in parts]

    def swept(task):
        return json.loads(output(programs[sweep], task[0], "error", stride, *task[1]))

    # Threads wait for the programs; JOBS of them run at a time.
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        results = []
        for task, result in zip(tasks, pool.map(swept, tasks)):
            results.append(result)
            if task[1] == parts[-1]:
                print(f"{task[0]} swept", file=sys.stderr, flush=True)
        entries = list(pool.map(
            lambda index: measured(programs, sweep, stride, FUNCTIONS[index],
                                   results[index * len(parts):(index + 1) * len(parts)]),
            range(len(FUNCTIONS))))
    table = {"processor": cpuinfo("model name"), "target": sweep, "stride": stride, "sample": SAMPLE,
             "functions": entries}
    TABLE.write_text(json.dumps(table, indent=2) + "\n")


def bits(work):
    """Compares all results of every target with the digests of the table."""
    table = json.loads(TABLE.read_text())
    if table["stride"] != 1:
        raise SystemExit(f"errors.json has one block in {table['stride']}, not all")
    programs = {isa: build(work, isa) for isa in usable()}
    for entry in table["functions"]:
        compared(programs, entry, 1)
        print(f"{entry['function']}: {entry['digest']} on {', '.join(programs)}", flush=True)


def check(work):
    """Whether a sample of the arguments, and the worst ones, have the errors of the table."""
    table = json.loads(TABLE.read_text())
    programs = {name: build(work, name) for name in usable()}
    program = list(programs.values())[-1]
    failures = []
    if table["sample"] != SAMPLE or SAMPLE % table["stride"] != 0:
        failures.append("errors.json has another sample than measure.py")
    if [entry["function"] for entry in table["functions"]] != FUNCTIONS:
        failures.append("errors.json has other functions than measure.py")
    for entry in table["functions"]:
        function = entry["function"]
        sample = json.loads(output(program, function, "error", table["sample"]))
        if entry["wrong_specials"] or sample["wrong_specials"]:
            failures.append(f"{function}: wrong special results")
        for side in SIDES:
            worst = entry[side]
            if not worst:
                if sample[side]:
                    failures.append(f"{function}: errors of {side} arguments, against the table")
                continue
            exact = float(output(program, function, "at", worst["at"]))
            if exact != worst["ulps"]:
                failures.append(f"{function}({worst['at']}): {exact} ulps, not {worst['ulps']}")
            # The sweep's errors are those of a Float64 reference.
            if sample[side] and sample[side]["ulps"] > worst["ulps"] * (1 + 1e-6):
                failures.append(f"{function}({sample[side]['at']}): {sample[side]['ulps']} ulps, "
                                f"above {worst['ulps']}")
            if function in EXACT and not worst["ulps"] <= 0.5:
                failures.append(f"{function} is not correctly rounded")
        digest = digests(programs, function, table["sample"])
        if digest != entry["sample_digest"]:
            failures.append(f"{function}: digest {digest}, not {entry['sample_digest']}")
    print("\n".join(failures + [f"{len(failures)} failures in {len(table['functions'])} functions"]))
    return 1 if failures else 0


def main():
    arguments = sys.argv[1:]
    if arguments[:1] not in (["check"], ["bits"], ["speed"]):
        stride = arguments[0] if arguments else "1"
        if not (stride.isdecimal() and int(stride) > 0):
            sys.exit(f"error: expected check, bits, speed or a stride from 1 on, found '{stride}'")
        outputs.check(TABLE)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if arguments[:1] == ["check"]:
            return check(work)
        if arguments[:1] == ["bits"]:
            bits(work)
            return 0
        if arguments[:1] == ["speed"]:
            print(output(build(work, (arguments + ["avx2"])[1]), "all", "speed"))
            return 0
        measure(work, int(arguments[0]) if arguments else 1)
    return 0


sys.exit(main())

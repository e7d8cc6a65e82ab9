#!/usr/bin/env python3
"""Compiles committed kernels as a C project would: with gcc and clang, every warning an error.

No object may need a symbol from elsewhere, every object must define its kernel and what else its
header declares, and nothing more; the headers must be usable from C and C++. The objects are optimized: without that, compilers call memset and
memcpy for arrays, which they may always assume to exist. First the check is tried on files that it must refuse.

usage: check.py DIRECTORY
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-c"]
ARM_CLANG = ["clang", "--target=aarch64-linux-gnu", "-ffreestanding"]
COMPILERS = {
    "x86_64": [["gcc"], ["clang", "--target=x86_64-linux-gnu"]],
    "aarch64": [["aarch64-linux-gnu-gcc"], ARM_CLANG],
}
ARCHITECTURES = {"avx2": "x86_64", "avx512": "x86_64", "neon": "aarch64"}


def called(command):
    return subprocess.run(command, capture_output=True, text=True)


def declared(source):
    """The functions that a kernel's header declares; without a header, the kernel and its entry."""
    name = source.stem
    header = source.parent / "include" / f"{name}.h"
    if not header.exists():
        return {name, f"{name}_entry"}
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.DOTALL)
    return set(re.findall(r"^(?:void|int64_t) (\w+)\(", text, flags=re.MULTILINE))


def compile_kernel(source, compiler, work):
    """What is wrong with a kernel under a compiler; nothing if all is well."""
    name = source.stem
    target = pathlib.Path(work) / f"{name}.{compiler[0]}.o"
    command = [*compiler, *FLAGS, str(source), "-o", str(target)]
    done = called(command)
    if done.returncode != 0:
        return f"{' '.join(command)}\n{done.stderr[:2000]}"
    undefined = called(["nm", "-u", target])
    defined = called(["nm", "-g", "--defined-only", target])
    if undefined.returncode != 0 or defined.returncode != 0:
        return f"nm {target}: {undefined.stderr}{defined.stderr}"
    needed = [word for word in undefined.stdout.split() if word != "U"]
    # Position-independent code names the offset table; it needs nothing from elsewhere.
    needed = [symbol for symbol in needed if symbol != "_GLOBAL_OFFSET_TABLE_"]
    if needed:
        return f"{' '.join(command)}: undefined symbols {' '.join(needed)}"
    symbols = {line.split()[-1] for line in defined.stdout.splitlines()}
    expected = declared(source)
    if symbols != expected or not {name, f"{name}_entry"} <= expected:
        return f"{' '.join(command)}: expected {sorted(expected)}, found {sorted(symbols)}"
    if foreign := sorted(symbol for symbol in symbols if not symbol.startswith(name)):
        return f"{source}: {foreign} do not begin with {name}"
    return None


def check_headers(directory, work):
    headers = sorted((directory / "include").glob("*.h"))
    problems = []
    text = "".join(f'#include "{header.name}"\n' for header in headers)
    for compiler, language in [(["gcc", "-std=c11"], "c"), (["clang++", "-std=c++17"], "c++")]:
        # Twice, for the guards.
        source = pathlib.Path(work) / f"headers.{language.replace('c++', 'cpp')}"
        source.write_text(text + text)
        command = [*compiler, "-x", language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                   "-I", str(directory / "include"), str(source)]
        done = called(command)
        if done.returncode != 0:
            problems.append(f"{' '.join(command)}\n{done.stderr[:2000]}")
    return len(headers), problems


def check_refusals(work):
    """The check must refuse each of these."""
    entry = "void a_avx2_entry(void) {}\n"
    bad = {
        "a warning": "void a_avx2(void) { int unused; }\n" + entry,
        "an undefined symbol": "void other(void);\nvoid a_avx2(void) { other(); }\n" + entry,
        "a missing kernel": entry,
        "a syntax error": "void a_avx2(void) {\n" + entry,
        "a function without declaration": "void a_avx2(void) {}\nvoid other(void) {}\n" + entry,
    }
    problems = []
    for what, text in bad.items():
        source = pathlib.Path(work) / "a_avx2.c"
        source.write_text(text)
        for compiler in COMPILERS["x86_64"]:
            if compile_kernel(source, compiler, work) is None:
                problems.append(f"the check accepts {what} under {compiler[0]}")
    return problems


def main():
    if len(sys.argv) != 2 or not pathlib.Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    programs = {compiler[0] for group in COMPILERS.values() for compiler in group}
    absent = sorted(p for p in programs | {"nm", "clang++"} if shutil.which(p) is None)
    if absent:
        sys.exit(f"error: not installed: {', '.join(absent)}")
    jobs, problems = [], []
    for source in sorted(directory.glob("*.c")):
        target = source.stem.rsplit("_", 1)[-1]
        if target not in ARCHITECTURES:
            problems.append(f"{source}: expected a name that ends in _{', _'.join(ARCHITECTURES)}")
            continue
        jobs += [(source, compiler) for compiler in COMPILERS[ARCHITECTURES[target]]]
    if not jobs:
        problems.append(f"{directory} holds no kernels")
    with tempfile.TemporaryDirectory() as work:
        problems += check_refusals(work)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda job: compile_kernel(*job, work), jobs)
            problems += [problem for problem in results if problem]
        headers, found = check_headers(directory, work)
        problems += found
    for problem in problems:
        print(problem)
    print(f"{len(jobs)} compilations and {headers} headers, {len(problems)} failures")
    sys.exit(1 if problems else 0)


main()

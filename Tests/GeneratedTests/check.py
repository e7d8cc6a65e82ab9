#!/usr/bin/env python3
"""Compiles committed kernels as a C project would: with gcc and clang, every warning an error.

No object may need a symbol from elsewhere, every object must define its kernel and what else its
header declares, and nothing more; the headers must be usable from C and C++. On another architecture
than its own a file defines nothing, and code that follows it in a translation unit is compiled as if
it stood alone. No name of a file is one of the C library's. The objects are optimized: without that,
compilers call memset and memcpy for arrays, which they may always assume to exist. First the check is
tried on files that it must refuse.

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

FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wmissing-prototypes", "-Werror", "-c"]
ARM_CLANG = ["clang", "--target=aarch64-linux-gnu", "-ffreestanding"]
COMPILERS = {
    "x86_64": [["gcc"], ["clang", "--target=x86_64-linux-gnu"]],
    "aarch64": [["aarch64-linux-gnu-gcc"], ARM_CLANG],
}
ARM_CONDITIONS = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
FOREIGN = {"x86_64": "aarch64", "aarch64": "x86_64"}
ARCHITECTURES = {"avx2": "x86_64", "avx512": "x86_64",
                 "avx512vnni": "x86_64", "avx512bf16": "x86_64", "neon": "aarch64",
                 "neondot": "aarch64"}
# Compilers too old, as far as a file can tell.
OLD = {"gcc": ["-U__GNUC__", "-D__GNUC__=9"], "clang": ["-U__clang_major__", "-D__clang_major__=10"]}


def called(command):
    return subprocess.run(command, capture_output=True, text=True)


def common(name):
    """The functions that every kernel has."""
    return {name, *(f"{name}_{end}" for end in ("part", "phases", "scratch_bytes", "entry"))}


def declared(source):
    """The functions that a kernel's header declares; without a header, those of every kernel."""
    name = source.stem
    header = source.parent / "include" / f"{name}.h"
    if not header.exists():
        return common(name)
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.DOTALL)
    return set(re.findall(r"^(?:void|int64_t) (\w+)\(", text, flags=re.MULTILINE))


def include(source):
    """Where a kernel finds its header."""
    return ["-I", str(source.parent / "include")]


def compile_kernel(source, compiler, work):
    """What is wrong with a kernel under a compiler; nothing if all is well."""
    name = source.stem
    target = pathlib.Path(work) / f"{name}.{compiler[0]}.o"
    command = [*compiler, *FLAGS, *include(source), str(source), "-o", str(target)]
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
    if symbols != expected or not common(name) <= expected:
        return f"{' '.join(command)}: expected {sorted(expected)}, found {sorted(symbols)}"
    if foreign := sorted(symbol for symbol in symbols if not symbol.startswith(name)):
        return f"{source}: {foreign} do not begin with {name}"
    return None


def compile_foreign(source, compiler, work):
    """What is wrong with a kernel on another architecture, where it defines nothing."""
    target = pathlib.Path(work) / f"{source.stem}.{compiler[0]}.foreign.o"
    command = [*compiler, *FLAGS, *include(source), str(source), "-o", str(target)]
    done = called(command)
    if done.returncode != 0:
        return f"{' '.join(command)}\n{done.stderr[:2000]}"
    if symbols := called(["nm", target]).stdout:
        return f"{' '.join(command)}: expected no symbol, found {symbols}"
    return None


# Whoever includes all of these before a kernel must not meet one of its names.
LIBRARY = [
    "complex", "ctype", "errno", "fcntl", "math", "poll", "pthread", "regex", "search", "signal",
    "stdio", "stdlib", "string", "strings", "sys/mman", "sys/socket", "sys/time", "sys/types", "time",
    "unistd", "wchar",
]


def compile_behind_library(source, compiler, work):
    """What is wrong with a kernel behind the headers of the C library."""
    headers = [word for name in LIBRARY for word in ("-include", f"{name}.h")]
    command = [*compiler, *FLAGS, "-fsyntax-only", "-D_GNU_SOURCE", *headers, *include(source), str(source)]
    done = called(command)
    return None if done.returncode == 0 else f"{' '.join(command)}\n{done.stderr[:2000]}"


FOLLOWING = """
float following(float a, float b, float c) { return a * b + c; }
#if defined(__AVX2__) || defined(__AVX512F__)
#error "the file's instructions are enabled for what follows"
#endif
"""


def following(text, compiler, work):
    """The instructions of the function `following`, or what the compiler says, and whether it is that."""
    source = pathlib.Path(work) / "unit.c"
    source.write_text(text + FOLLOWING)
    # Contraction as far as each compiler lets a file switch it off.
    contraction = "-ffp-contract=" + ("on" if compiler[0] == "clang" else "fast")
    machine = [] if any("aarch64" in word for word in compiler) else ["-mfma"]
    command = [*compiler, "-std=c11", "-O2", contraction, *machine, "-w", "-S", source, "-o", "-"]
    done = called(command)
    if done.returncode != 0:
        return f"{command}\n{done.stderr[:2000]}", True
    body = done.stdout.split("\nfollowing:")[1].split(".size\tfollowing")[0]
    return [line.split() for line in body.splitlines() if re.match(r"\t[a-z]", line)], False


def check_unit(source, compiler, work):
    """What is wrong where other code follows a kernel in a translation unit."""
    alone, _ = following("", compiler, work)
    behind, failed = following(f'#include "{source.resolve()}"\n', compiler, work)
    if failed:
        return behind
    if not any("fma" in line[0] for line in alone):
        return f"{compiler[0]}: expected a fused multiply-add of {alone}"
    if behind != alone:
        return f"{compiler[0]}: behind {source.name} expected {alone}, found {behind}"
    return None


def branches(source, compiler, level):
    """Conditional jumps, and those of them back to a label; none if it does not compile."""
    done = called([*compiler, "-std=c11", level, "-w", "-S", str(source), "-o", "-"])
    seen, all_jumps, back = set(), 0, 0
    for line in done.stdout.splitlines():
        if label := re.match(r"(\.L\w+):", line):
            seen.add(label[1])
        elif jump := re.match(rf"\t(?:j(?!mp)|b\.?(?:{ARM_CONDITIONS})\b|cbn?z|tbn?z).*?(\.L\w+)$", line):
            all_jumps += 1
            back += jump[1] in seen
    return all_jumps, back


def check_unrolled(source, compiler, work):
    """With gcc's -O2 no loop over partials may be left that -O3 unrolls: it keeps them in memory.

    Each loop is a conditional jump more, and one back; either alone may differ by the order of blocks.
    """
    found, expected = branches(source, compiler, "-O2"), branches(source, compiler, "-O3")
    if not (all(found) and all(expected)) or all(a > b for a, b in zip(found, expected)):
        return (f"{compiler[0]}: {source.name} has {found[0]} conditional jumps, {found[1]} of them back; "
                f"{expected[0]} and {expected[1]} with -O3")
    return None


def check_prototype(source, compiler, work):
    """A file beside a header that declares something else must be refused."""
    header = source.parent / "include" / f"{source.stem}.h"
    other = header.read_text().replace(f"void {source.stem}(int64_t", f"void {source.stem}(int32_t")
    (pathlib.Path(work) / header.name).write_text(other)
    (pathlib.Path(work) / source.name).write_text(source.read_text())
    done = called([*compiler, *FLAGS, str(pathlib.Path(work) / source.name), "-o", "/dev/null"])
    if other == header.read_text() or "conflicting types" not in done.stderr:
        return f"{compiler[0]}: expected conflicting types of {source.stem}, found {done.stderr[:2000]}"
    return None


def check_old(source, compiler, work):
    """A compiler that is too old must be told so, first of all."""
    done = called([*compiler, *FLAGS, *OLD[compiler[0]], str(source), "-o", "/dev/null"])
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    if not errors or "needs gcc 10, Clang 11 or later" not in errors[0]:
        return f"{compiler[0]}: expected a version that {source.name} needs, found {done.stderr[:2000]}"
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
    entry = "".join(
        f"void {name}(void) {{}}\n" for name in sorted(common("a_avx2") - {"a_avx2"}))
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
    jobs, problems, first = [], [], {}
    for source in sorted(directory.glob("*.c")):
        target = source.stem.rsplit("_", 1)[-1]
        if target not in ARCHITECTURES:
            problems.append(f"{source}: expected a name that ends in _{', _'.join(ARCHITECTURES)}")
            continue
        first.setdefault(target, source)
        architecture = ARCHITECTURES[target]
        jobs += [(compile_kernel, source, compiler) for compiler in COMPILERS[architecture]]
        jobs += [(compile_foreign, source, COMPILERS[FOREIGN[architecture]][0])]
        jobs += [(compile_behind_library, source, COMPILERS[architecture][0])]
    if not jobs:
        problems.append(f"{directory} holds no kernels")
    with tempfile.TemporaryDirectory() as work:
        problems += check_refusals(work)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda job: job[0](*job[1:], work), jobs)
            problems += [problem for problem in results if problem]
        for target, source in first.items():
            for compiler in COMPILERS[ARCHITECTURES[target]]:
                checks = [check_unit, check_prototype]
                checks += [check_unrolled] if "gcc" in compiler[0] else []
                checks += [check_old] if ARCHITECTURES[target] == "x86_64" else []
                found = [check(source, compiler, work) for check in checks]
                problems += [problem for problem in found if problem]
        headers, found = check_headers(directory, work)
        problems += found
    for problem in problems:
        print(problem)
    print(f"{len(jobs)} compilations and {headers} headers, {len(problems)} failures")
    sys.exit(1 if problems else 0)


main()

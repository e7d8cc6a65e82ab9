#!/usr/bin/env python3
"""Checks the templates in Templates/simd and Templates/math, from the root of the repository:

their form (one commented definition a chunk, names used only after they are defined, the same
functions at least in every SIMD layer), that every compiler found here accepts them without a
warning and leaves no undefined symbol, and that lanes.c and the elementary functions give the same bits on
every target that can run here.

usage: check.py [form] [compile] [run]     (all three by default)
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECKS = pathlib.Path(__file__).parent
MEASURE = pathlib.Path("Benchmarks/elementary")
sys.path.insert(0, str(MEASURE))

from exports import MATH, SIMD, chunk_name, chunks  # noqa: E402

ISAS = ["portable", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon", "neondot"]
FLAGS = {
    "portable": [],
    "avx2": ["-march=x86-64-v3"],
    "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "avx512vnni": ["-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512vnni"],
    "avx512bf16": ["-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512vnni",
                   "-mavx512bf16"],
    "neon": [],
    "neondot": ["-march=armv8.2-a+dotprod"],
}
ARM_GCC, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
RISCV_GCC, RISCV_EMULATOR = "riscv64-linux-gnu-gcc", "qemu-riscv64-static"
# The fused multiply-add announced by gcc's macro alone, as on most processors.
ANNOUNCED_FMA = ["-march=x86-64-v3", "-U__FMA__"]
failures = []


def fail(text):
    failures.append(text)
    print(text)


def check_form():
    files = {isa: pathlib.Path(f"Templates/simd/{isa}.h.in").read_text() for isa in ISAS}
    math = {name: pathlib.Path(f"Templates/math/{name}.h.in").read_text() for name in MATH}
    if sorted(math) != sorted(p.name[:-5] for p in pathlib.Path("Templates/math").glob("*.h.in")):
        fail("Templates/math holds other files than this check knows")
    names = {}
    for file, text in {**files, **math}.items():
        names[file] = []
        for chunk in text.rstrip("\n").split("\n\n"):
            name = chunk_name(chunk)
            # A macro may be defined for each compiler.
            definitions = re.findall(r"^(?:static|typedef) ", chunk, re.M) \
                + sorted(set(re.findall(r"^#define (\w+)", chunk, re.M)))
            if name is None or len(definitions) != 1 or not chunk.startswith("// "):
                fail(f"{file}: not one commented definition: {chunk.splitlines()[0]}")
            names[file].append(name)
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 100 or "{{" in line or line != line.rstrip():
                fail(f"{file}:{number}: too long, a substitution, or trailing space")
    for isa in ISAS:
        # A layer may have functions of its own besides those that all have.
        own = {name for file in SIMD.get(isa, [isa]) for name in names[file]}
        if not own >= set(names[ISAS[0]]):
            fail(f"{isa} lacks {set(names[ISAS[0]]) - own}")
        order = [chunk_name(chunk) for chunk in chunks(isa)]
        if len(set(order)) != len(order):
            fail(f"{isa}: a name is defined twice")
        for k, chunk in enumerate(chunks(isa)):
            code = re.sub(r"//.*", "", chunk)
            for word in set(re.findall(r"\b[a-z]\w*\b", code)) & set(order[k + 1:]):
                fail(f"{isa}: {order[k]} uses {word} before its definition")


def templates(work, isa):
    path = work / f"{isa}.c"
    with open(path, "w") as out:
        subprocess.run([sys.executable, MEASURE / "exports.py", isa], stdout=out, check=True)
    return path


def check_compile(work):
    compilers = [c for c in ["gcc", "clang-14", "clang-19", "clang-22", "clang"] if shutil.which(c)]
    count = 0
    for level in ["-O0", "-O1", "-O2", "-O3"]:
        commands = []
        for compiler in compilers:
            commands += [(isa, [compiler, *FLAGS[isa]]) for isa in ISAS
                         if not isa.startswith("neon")]
            commands.append(("portable", [compiler, *FLAGS["avx2"]]))
            if compiler != "gcc":
                arm = [compiler, "--target=aarch64-linux-gnu", "-ffreestanding"]
                commands += [("neon", arm), ("portable", arm),
                             ("neondot", [*arm, *FLAGS["neondot"]])]
        if shutil.which(ARM_GCC):
            commands += [("neon", [ARM_GCC]), ("portable", [ARM_GCC]),
                         ("neondot", [ARM_GCC, *FLAGS["neondot"]])]
        for isa, command in commands:
            command = [*command, level, "-std=c11", "-Wall", "-Wextra", "-Werror",
                       "-ffp-contract=off", "-c", str(work / f"{isa}.c"), "-o", str(work / "a.o")]
            done = subprocess.run(command, capture_output=True, text=True)
            count += 1
            if done.returncode != 0:
                fail(f"{' '.join(command)}\n{done.stderr[:1000]}")
                continue
            symbols = subprocess.run(["nm", "-u", work / "a.o"], capture_output=True, text=True)
            undefined = [s for s in symbols.stdout.split() if s not in ("U", "_GLOBAL_OFFSET_TABLE_")]
            if undefined:
                fail(f"{' '.join(command)}: undefined {undefined}")
    check_announced_fma(work)
    check_prefetch(work)
    print(f"{count} compilations by {', '.join(compilers)}")


def check_announced_fma(work):
    """Where the processor has the fused multiply-add, the portable layer computes nothing in double."""
    commands = [["gcc", *ANNOUNCED_FMA], [RISCV_GCC]]
    for command in [command for command in commands if shutil.which(command[0])]:
        done = subprocess.run([*command, "-O2", "-w", "-S", work / "portable.c", "-o", "-"],
                              capture_output=True, text=True, check=True)
        if "fmadd" not in done.stdout or re.search(r"\tv?addpd|\tv?addsd|\tfadd\.d", done.stdout):
            fail(f"{' '.join(command)}: the fused multiply-add is emulated")


def check_prefetch(work):
    """Nothing is formed that points behind an array; gcc warns where it sees that."""
    source = work / "prefetch.c"
    text = pathlib.Path("Templates/math/prefetch.h.in").read_text()
    names = re.findall(r"^static inline void (\w+)\(const (\w+) \*p\)", text, re.M)
    source.write_text(f"#include <stdint.h>\n{text}\n" + "".join(
        f"extern {kind} few_of_{name}[4];\nvoid try_{name}(void);\n"
        f"void try_{name}(void) {{ {name}(few_of_{name}); }}\n" for name, kind in names))
    warnings = ["-Wall", "-Wextra", "-Warray-bounds=2", "-Werror"]
    done = subprocess.run(["gcc", "-std=c11", "-O2", *warnings, "-c", source, "-o", work / "a.o"],
                          capture_output=True, text=True)
    if done.returncode != 0 or not names:
        fail(f"prefetch: {done.stderr[:1000]}")


def check_run(work):
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    targets = [("portable", ["gcc", "-O2"], []), ("portable", ["gcc", "-O2", "-U__SSE__"], []),
               ("portable", ["gcc", "-O1", "-fsanitize=address,undefined"], [])]
    if {"avx2", "fma", "f16c"} <= set(flags):
        targets += [("avx2", ["gcc", "-O3"], []),
                    ("avx2", ["gcc", "-O1", "-fsanitize=address,undefined"], [])]
        targets += [("avx2", [c, "-O2"], []) for c in ["clang-14", "clang-19", "clang-22"]
                    if shutil.which(c)]
        targets += [("portable", ["gcc", "-O2", *FLAGS["avx2"]], []),
                    ("portable", ["gcc", "-O2", *ANNOUNCED_FMA], [])]
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags):
        targets.append(("avx512", ["gcc", "-O3"], []))
        if "avx512_vnni" in flags:
            targets.append(("avx512vnni", ["gcc", "-O3"], []))
        if "avx512_bf16" in flags:
            targets.append(("avx512bf16", ["gcc", "-O3"], []))
    if shutil.which(ARM_GCC) and shutil.which(EMULATOR):
        targets += [("neon", [ARM_GCC, "-O2", "-static"], [EMULATOR]),
                    ("portable", [ARM_GCC, "-O2", "-static"], [EMULATOR])]
    if shutil.which(RISCV_GCC) and shutil.which(RISCV_EMULATOR):
        targets += [("portable", [RISCV_GCC, "-O2", "-static"], [RISCV_EMULATOR])]
    digests = {}
    for isa, command, runner in targets:
        common = [*command, *FLAGS[isa], "-std=gnu11", "-ffp-contract=off", "-w",
                  f'-DTEMPLATES="{work / isa}.c"']
        lines = []
        for source, arguments in [(CHECKS / "lanes.c", []), (MEASURE / "ulp.c", ["all", "digest", "4001"])]:
            program = work / source.stem
            subprocess.run([*common, source, "-o", program, "-lm"], check=True)
            done = subprocess.run([*runner, program, *arguments], capture_output=True, text=True)
            if done.returncode != 0:
                fail(f"{isa}, {' '.join(command)}: {done.stdout}{done.stderr[:1000]}")
            lines.append(done.stdout)
        digests["".join(lines)] = digests.get("".join(lines), []) + [f"{isa}: {' '.join(command)}"]
        print(f"{isa}: {' '.join(command)}: {lines[0].strip()}")
    if len(digests) != 1:
        fail(f"bits differ: {digests}")


def main():
    wanted = sys.argv[1:] or ["form", "compile", "run"]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for isa in ISAS:
            templates(work, isa)
        if "form" in wanted:
            check_form()
        if "compile" in wanted:
            check_compile(work)
        if "run" in wanted:
            check_run(work)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


main()

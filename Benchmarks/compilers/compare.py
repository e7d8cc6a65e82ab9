"""Times the committed kernels as two compile commands build them, in turns.

    python3 Benchmarks/compilers/compare.py --a "gcc -O2" --b "gcc -O3"

Each kernel of the target is built twice as a shared library and called on the same seeded memory, one build
after the other, as often as --rounds says. Printed are both medians, the median of the ratios A / B of
neighbouring calls with its quartiles, and in the end their geometric mean. A call is long enough, and
the memory small enough, that neither Python nor main memory decides; see `rows_of`.
"""

import argparse
import ctypes
import math
import pathlib
import random
import re
import shlex
import statistics
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BYTES = {"f32": 4, "bf16": 2, "f16": 2, "i8": 1, "u8": 1}


class Tensor:
    """A parameter as the header describes it."""

    PATTERN = re.compile(r" \*   (\w+) +(f32|bf16|f16|i8|u8) \[([^\]]*)\](, written)?")

    def __init__(self, match):
        self.name, self.type = match[1], match[2]
        extents = match[3].split(", ")
        self.has_rows = extents[0] == "rows"
        fixed = extents[1:] if self.has_rows else extents
        self.elements = math.prod(int(extent) for extent in fixed)
        self.is_written = match[4] is not None

    def memory(self, rows):
        count = self.elements * (rows if self.has_rows else 1)
        return filled(self.type, count)


def filled(type_name, count):
    """Seeded values around 0, few enough distinct ones to be made quickly."""
    generator = random.Random(count)
    if type_name == "f32":
        values, kind = [generator.gauss(0, 0.1) for _ in range(4096)], ctypes.c_float
    elif type_name == "i8":
        values, kind = [generator.randrange(-128, 128) for _ in range(4096)], ctypes.c_int8
    elif type_name == "u8":
        values, kind = [generator.randrange(256) for _ in range(4096)], ctypes.c_uint8
    else:
        # 0.01 to 0.25 of either sign, as bf16 or f16 has them.
        first = 0x3C00 if type_name == "bf16" else 0x2000
        values = [first + generator.randrange(0x180) | generator.choice([0, 0x8000])
                  for _ in range(4096)]
        kind = ctypes.c_uint16
    table = (kind * 4096)(*values)
    memory = (kind * max(count, 1))()
    whole = ctypes.sizeof(memory)
    for start in range(0, whole, ctypes.sizeof(table)):
        ctypes.memmove(ctypes.byref(memory, start), table, min(ctypes.sizeof(table), whole - start))
    return memory


class Kernel:
    """A committed kernel: its tensors, and what its header says of weights and scratch memory."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        header = (path.parent / "include" / f"{path.stem}.h").read_text()
        self.tensors = [Tensor(match) for match in Tensor.PATTERN.finditer(header)]
        self.packed = re.findall(rf"int64_t {self.name}_packed_elements_(\w+)\(void\)", header)

    def rows_of(self):
        """Rows whose tensors take about 512 KiB, or a few tiles where weights decide the time."""
        fixed = max((t.elements for t in self.tensors if not t.has_rows), default=1)
        if self.packed:
            return 24 if fixed < 1 << 22 else 6
        bytes_per_row = sum(t.elements * BYTES[t.type] for t in self.tensors if t.has_rows)
        return max(4, (512 << 10) // bytes_per_row // 4 * 4)


class Build:
    """A kernel as one compile command builds it."""

    def __init__(self, kernel, command, folder, label):
        library = folder / f"{kernel.name}-{label}.so"
        subprocess.run(
            shlex.split(command)
            + ["-shared", "-fPIC", str(kernel.path), "-I", str(kernel.path.parent / "include"),
               "-o", str(library)], check=True)
        self.kernel, self.code = kernel, ctypes.CDLL(str(library))
        self.function = self.code[f"{kernel.name}_entry"]
        self.function.restype = None

    def bind(self, rows, memories):
        """A call of all rows, by one thread."""
        kernel, code = self.kernel, self.code
        places, strides = [], []
        for tensor in kernel.tensors:
            memory = memories[tensor.name]
            if tensor.name in kernel.packed:
                size = code[f"{kernel.name}_packed_elements_{tensor.name}"]
                size.restype = ctypes.c_int64
                packed = (ctypes.c_char * (size() * BYTES[tensor.type]))()
                # Computed weights are timed as if they had been given.
                pack = getattr(code, f"{kernel.name}_entry_pack_{tensor.name}", None)
                if pack is None:
                    code[f"{kernel.name}_pack_{tensor.name}"](memory, packed)
                else:
                    ctypes.memmove(packed, filled(tensor.type, size()), ctypes.sizeof(packed))
                memory = packed
            places.append(memory)
            strides.append(tensor.elements)
        self.memory = places
        buffers = (ctypes.c_void_p * len(places))(*[ctypes.addressof(p) for p in places])
        numbers = (ctypes.c_int64 * len(strides))(*strides)
        arguments = [ctypes.c_int64(rows), buffers, numbers]
        one = ctypes.c_int64(1)
        size = code[f"{kernel.name}_scratch_bytes"]
        size.restype = ctypes.c_int64
        self.scratch = (ctypes.c_char * size(ctypes.c_int64(rows), one))()
        phases = code[f"{kernel.name}_phases"]
        phases.restype = ctypes.c_int64
        calls = [arguments + [self.scratch, ctypes.c_int64(phase), ctypes.c_int64(0), one]
                 for phase in range(phases(ctypes.c_int64(rows), one))]

        def run(repeats):
            start = time.perf_counter()
            for _ in range(repeats):
                for call in calls:
                    self.function(*call)
            return (time.perf_counter() - start) / repeats

        self.run = run


def compare(kernel, commands, rounds, folder):
    rows = kernel.rows_of()
    memories = {t.name: t.memory(rows) for t in kernel.tensors}
    builds = [Build(kernel, command, folder, label) for label, command in zip("ab", commands)]
    for build in builds:
        build.bind(rows, memories)
    once = min(build.run(1) for build in builds for _ in range(2))
    repeats = max(1, math.ceil(200e-6 / once))
    times = ([], [])
    for number in range(rounds):
        # Neither build always follows the other.
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            times[side].append(builds[side].run(repeats))
    ratios = [a / b for a, b in zip(*times)]
    return rows, [statistics.median(side) for side in times], ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--a", default="gcc -O2", help="the compile command that is judged")
    parser.add_argument("--b", default="gcc -O3", help="the one that it is judged by")
    parser.add_argument("--target", default="avx2")
    parser.add_argument("--kernels", default=".", help="a pattern of names")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--folder", type=pathlib.Path, default=REPOSITORY / "Generated")
    options = parser.parse_args()
    logarithms, worst = [], ("", 0)
    print(f"{'kernel':52} {'rows':>5} {'A µs':>9} {'B µs':>9} {'A / B':>6}  quartiles")
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(options.folder.glob(f"*_{options.target}.c")):
            if not re.search(options.kernels, path.stem):
                continue
            rows, (a, b), ratios = compare(
                Kernel(path), (options.a, options.b), options.rounds, pathlib.Path(folder))
            ratio = statistics.median(ratios)
            low, _, high = statistics.quantiles(ratios, n=4)
            print(f"{path.stem:52} {rows:5} {a * 1e6:9.1f} {b * 1e6:9.1f} {ratio:6.3f}"
                  f"  {low:.3f} {high:.3f}", flush=True)
            logarithms.append(math.log(ratio))
            worst = max(worst, (path.stem, ratio), key=lambda pair: pair[1])
    print(f"geometric mean {math.exp(statistics.fmean(logarithms)):.3f}, worst {worst[1]:.3f}"
          f" ({worst[0]}), {len(logarithms)} kernels")


if __name__ == "__main__":
    main()

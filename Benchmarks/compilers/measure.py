"""Times the committed kernels as C compilers make them: who compiles, and at which level, should not matter.

usage: python3 Benchmarks/compilers/measure.py [--kernels PATTERN] [--rows N] [--rounds N] [--folder FOLDER]

Every kernel of a target that this machine runs is compiled without further flags by gcc and Clang, at -O2 and
-O3, and all are called in turns, in one thread. The table has the time of the fastest, each one's by it, and
the worst of all. With --folder it times kernels that `normgen emit` has written there.
"""

import argparse
import ctypes
import fnmatch
from pathlib import Path
import platform
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = Path(__file__).resolve().parents[2]
BUILDS = [("gcc", "-O2"), ("gcc", "-O3"), ("clang", "-O2"), ("clang", "-O3")]

# What /proc/cpuinfo says of machines that run a target's kernels.
FEATURES = {
    "avx2": {"avx2", "fma", "f16c"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512vnni": {"avx512_vnni"},
    "avx512bf16": {"avx512_bf16"},
    "neon": {"asimd"},
    "neondot": {"asimddp"},
    "portable": set(),
}
BYTES = {"f32": 4, "bf16": 2, "f16": 2, "i8": 1, "u8": 1, "f8_e4m3": 1, "f8_e5m2": 1}

# A parameter in the comment over a kernel's prototype.
PARAMETER = re.compile(r"^ \*   (\w+) +(\w+) \[([^\]]*)\]", re.MULTILINE)

# Callers' pages, so that neighbours do not share lines.
PAGE = 4096

# Calls of one sample take at least so long.
LEAST_SECONDS = 2e-3


def supported() -> set[str]:
    """The targets whose kernels this machine runs."""
    text = Path("/proc/cpuinfo").read_text()
    found = set(re.findall(r"[\w]+", text))
    is_arm = platform.machine() in ("aarch64", "arm64")
    return {
        target for target, features in FEATURES.items()
        if features <= found and target.startswith("neon") <= is_arm}


def memory(data: bytes, least: int) -> tuple[ctypes.Array, int]:
    """An array that keeps the memory, and the address of a page in it that begins with `data`."""
    size = max(len(data), least)
    held = ctypes.create_string_buffer(size + 2 * PAGE)
    address = (ctypes.addressof(held) + PAGE - 1) // PAGE * PAGE
    ctypes.memmove(address, data, len(data))
    return held, address


def random_elements(generator: random.Random, storage: str, count: int) -> bytes:
    """Normal numbers, or integers of all values; chosen from 4096 of them."""
    if storage in ("f32", "f16", "bf16"):
        numbers = [generator.gauss(0, 1) for _ in range(4096)]
        if storage == "bf16":
            pattern = b"".join(struct.pack("<f", number)[2:] for number in numbers)
        else:
            pattern = b"".join(struct.pack("<f" if storage == "f32" else "<e", number) for number in numbers)
    elif storage == "u8":
        # Blocks: what could be a scale is small and finite.
        pattern = b"\x20" * 4096
    else:
        pattern = generator.randbytes(4096)
    size = count * BYTES[storage]
    return (pattern * (size // len(pattern) + 1))[:size]


class Kernel:
    """One kernel, compiled in several ways, on its own arrays."""

    def __init__(self, source: Path, header: Path, libraries: list[ctypes.CDLL], rows: int) -> None:
        name = source.stem
        self._held: list[ctypes.Array] = []
        generator = random.Random(name)
        addresses, strides = [], []
        integer = ctypes.c_int64
        first = libraries[0]
        contract = header.read_text()
        for parameter, storage, shape in PARAMETER.findall(contract):
            extents = [extent.strip() for extent in shape.split(",") if extent.strip()]
            row = 1
            for extent in extents:
                row *= 1 if extent == "rows" else int(extent)
            has_rows = "rows" in extents
            count = row * (rows if has_rows else 1)
            address = self._kept(random_elements(generator, storage, count))
            if hasattr(first, f"{name}_pack_{parameter}"):
                elements = getattr(first, f"{name}_packed_elements_{parameter}")
                elements.restype = integer
                packed = self._kept(b"", elements() * BYTES[storage])
                pack = getattr(first, f"{name}_pack_{parameter}")
                pack(ctypes.c_void_p(address), ctypes.c_void_p(packed))
                address = packed
            addresses.append(address)
            strides.append(row if has_rows else 0)
        if not addresses:
            raise ValueError(f"{header}: expected a comment with the parameters, found none")
        self._buffers = (ctypes.c_void_p * len(addresses))(*addresses)
        self._strides = (integer * len(strides))(*strides)
        sizes = [integer, integer]
        scratch_bytes, phases = (getattr(first, f"{name}_{part}") for part in ("scratch_bytes", "phases"))
        for function in (scratch_bytes, phases):
            function.argtypes, function.restype = sizes, integer
        self._scratch = self._kept(b"", scratch_bytes(rows, 1))
        self._phases = phases(rows, 1)
        self._rows = rows
        self.entries = [getattr(library, f"{name}_entry") for library in libraries]
        for entry in self.entries:
            entry.argtypes = [
                integer, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, integer, integer, integer]

    def _kept(self, data: bytes, least: int = 1) -> int:
        held, address = memory(data, least)
        self._held.append(held)
        return address

    def call(self, entry) -> None:
        for phase in range(self._phases):
            entry(self._rows, self._buffers, self._strides, self._scratch, phase, 0, 1)

    def seconds(self, entry) -> float:
        """The time of one call."""
        start = time.perf_counter()
        self.call(entry)
        elapsed = time.perf_counter() - start
        if elapsed >= LEAST_SECONDS:
            return elapsed
        count = int(LEAST_SECONDS / elapsed) + 1
        start = time.perf_counter()
        for _ in range(count):
            self.call(entry)
        return (time.perf_counter() - start) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kernels", default="*", metavar="PATTERN", help="kernels' names with their target")
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="emitted files, by default Generated")
    arguments = parser.parse_args()
    if arguments.rows < 1 or arguments.rounds < 1:
        parser.error("expected at least 1 row and 1 round")
    folder = arguments.folder or ROOT / "Generated"
    headers = arguments.folder or folder / "include"
    builds = [(compiler, level) for compiler, level in BUILDS if shutil.which(compiler)]
    if not builds:
        sys.exit("error: expected gcc or clang in PATH")
    targets = supported()
    sources = [
        source for source in sorted(folder.glob("*.c"))
        if source.stem.rsplit("_", 1)[-1] in targets and fnmatch.fnmatch(source.stem, arguments.kernels)]
    if not sources:
        sys.exit(f"error: no kernel in {folder} is called {arguments.kernels} and runs here")
    titles = [" ".join(build) for build in builds]
    print("| kernel | fastest, µs |", " | ".join(titles), "|")
    print("|---|--:|" + "--:|" * len(builds))
    worst = [1.0] * len(builds)
    with tempfile.TemporaryDirectory() as directory:
        for source in sources:
            libraries = []
            for number, (compiler, level) in enumerate(builds):
                library = Path(directory) / f"{source.stem}-{number}.so"
                subprocess.run(
                    [compiler, level, "-shared", "-fPIC", "-I", str(headers), str(source), "-o", str(library)],
                    check=True)
                libraries.append(ctypes.CDLL(str(library)))
            kernel = Kernel(source, headers / f"{source.stem}.h", libraries, arguments.rows)
            for entry in kernel.entries:
                kernel.call(entry)
            samples = [
                [kernel.seconds(entry) for entry in kernel.entries] for _ in range(arguments.rounds)]
            # What else the machine does only adds to a time.
            best = [min(turn) for turn in zip(*samples)]
            fastest = min(best)
            ratios = [each / fastest for each in best]
            worst = [max(pair) for pair in zip(worst, ratios)]
            columns = " | ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"| {source.stem} | {fastest * 1e6:.1f} | {columns} |", flush=True)
    print("| worst | |", " | ".join(f"{ratio:.2f}" for ratio in worst), "|")


if __name__ == "__main__":
    main()

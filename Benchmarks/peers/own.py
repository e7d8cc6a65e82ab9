"""Our kernels: emitted as C, compiled as a user would, and called through the host's C loop."""

import ctypes
import os
from pathlib import Path
import shlex
import shutil
import subprocess

import numpy as np

from cases import Case
from problem import Arrays, Contender, Problem, repeated

HERE = Path(__file__).parent

# The text files that define our kernels, by the cases' group.
KERNEL_FILES: dict[str, list[Path]] = {"norms": [HERE / "kernels" / "norms.ng"], "matmuls": []}

FLAGS = ["-std=c11", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-pthread"]


class RowCall(ctypes.Structure):
    """`struct row_call` of host.c."""

    _fields_ = [
        ("kernel", ctypes.c_void_p),
        ("rows", ctypes.c_int64),
        ("tensors", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("row_bytes", ctypes.POINTER(ctypes.c_int64)),
    ]


class BuildError(Exception):
    """A tool that the kernels need failed or is missing."""


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")


def compiler() -> str:
    """The C compiler: CC, or the first of clang and gcc that there is."""
    if "CC" in os.environ:
        return os.environ["CC"]
    for name in ["clang", "gcc"]:
        if shutil.which(name):
            return name
    raise BuildError("expected a C compiler, clang or gcc, in PATH")


class Library:
    """All of our kernels in one shared library."""

    def __init__(
        self, normgen: Path, folder: Path, threads: int, files: list[Path]
    ) -> None:
        if not normgen.exists():
            raise BuildError(f"expected the command line tool at {normgen}; build it first")
        sources = folder / "c"
        shutil.rmtree(sources, ignore_errors=True)
        sources.mkdir(parents=True)
        for file in files:
            _run([str(normgen), "emit", str(file), "--target", "host", "-o", str(sources)])
        emitted = sorted(sources.glob("*.c"))
        # NAME_TARGET.c, by NAME.
        self._symbols = {path.stem.rsplit("_", 1)[0]: path.stem for path in emitted}
        self.target = emitted[0].stem.rsplit("_", 1)[1] if emitted else None
        self.command = [compiler(), *FLAGS]
        library = folder / f"kernels-{threads}.so"
        _run([*self.command, str(HERE / "host.c"), *map(str, emitted), "-o", str(library)])
        self._library = ctypes.CDLL(str(library))
        self._library.host_start.argtypes = [ctypes.c_int64]
        self._library.host_run_rows.argtypes = [ctypes.POINTER(RowCall), ctypes.c_int64]
        self._library.host_run_rows.restype = None
        if self._library.host_start(threads) != 0:
            raise BuildError(f"the pool of {threads} threads did not start")
        self._threads = threads

    def has(self, case: Case) -> bool:
        return case.kernel in self._symbols

    def contenders(self, problem: Problem) -> list[Contender]:
        """Our kernel through a loop in C and, on one thread, through ctypes."""
        case = problem.case
        tensors = [*case.inputs, *case.outputs]
        arrays = [*problem.inputs.values(), *problem.outputs.values()]
        count = len(tensors)
        addresses = [array.ctypes.data for array in arrays]
        lengths = [tensor.shape[-1] if tensor.has_rows else 0 for tensor in tensors]
        sizes = [length * array.itemsize for length, array in zip(lengths, arrays)]
        buffers = (ctypes.c_void_p * count)(*addresses)
        strides = (ctypes.c_int64 * count)(*lengths)
        row_bytes = (ctypes.c_int64 * count)(*sizes)
        entry = getattr(self._library, f"{self._symbols[case.kernel]}_entry")
        entry.argtypes = [
            ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64)]
        entry.restype = None
        address = ctypes.cast(entry, ctypes.c_void_p)
        call = RowCall(address, case.rows, count, buffers, strides, row_bytes)

        def repeat(repetitions: int) -> None:
            self._library.host_run_rows(ctypes.byref(call), repetitions)

        def results() -> Arrays:
            return cleared_results(problem, lambda: repeat(1))

        found = [Contender("NormGen", repeat, results, role="own")]
        if self._threads == 1:
            rows = ctypes.c_int64(case.rows)
            through_ctypes = repeated(lambda: entry(rows, buffers, strides))
            found.append(Contender("NormGen through ctypes", through_ctypes, results, role="own"))
        return found


def cleared_results(problem: Problem, call) -> Arrays:
    """What a call writes to the problem's outputs, which hold NaN before it."""
    for array in problem.outputs.values():
        array.fill(np.nan)
    call()
    return {name: array.copy() for name, array in problem.outputs.items()}

"""Our kernels: emitted as C, compiled as a user would, and called through the host's C loop."""

import ctypes
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess

import numpy as np

import blocks
from cases import Case, Tensor
from problem import Arrays, Contender, Problem, RowsAs, cleared_value, page_aligned, repeated

HERE = Path(__file__).parent

# The text files that define our kernels, by the cases' group.
KERNEL_FILES: dict[str, list[Path]] = {
    "norms": [HERE / "kernels" / "norms.ng"],
    "quantized": [HERE / "kernels" / "quantized.ng"],
    "gradients": [HERE / "kernels" / "norms.ng"],
    "matmuls": [HERE / "kernels" / "matmuls.ng"],
    "blocks": [HERE / "kernels" / "blocks.ng"],
}

# What our forward kernels leave for the gradient, as peers do: the sum with a residual, which is an
# output, and LayerNorm's statistics, a number a row each.
SAVED_OUTPUTS = {"add_rms_norm": ["hidden"]}
SAVED_STATISTICS = {"layer_norm": ["mean_x", "inv_deviation"]}

FLAGS = ["-std=c11", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-pthread"]

# How a header says what a packing function writes.
PACKED_ELEMENTS = re.compile(r"^// Packs (\w+): reads .* and writes (\d+) (?:elements|bytes)\.$", re.MULTILINE)

Pointers = ctypes.POINTER(ctypes.c_void_p)
Integers = ctypes.POINTER(ctypes.c_int64)


class KernelCall(ctypes.Structure):
    """`struct kernel_call` of host.c."""

    _fields_ = [
        ("kernel", ctypes.c_void_p),
        ("rows", ctypes.c_int64),
        ("buffers", Pointers),
        ("strides", Integers),
        ("scratch", ctypes.c_void_p),
        ("phases", ctypes.c_int64),
        ("parts", ctypes.c_int64),
        ("phase", ctypes.c_int64),
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
        self, normgen: Path, folder: Path, threads: int, files: list[Path],
        gradients: dict[str, list[str]],
    ) -> None:
        """`gradients` has the inputs to differentiate by of each kernel that needs a gradient."""
        if not normgen.exists():
            raise BuildError(f"expected the command line tool at {normgen}; build it first")
        sources = folder / f"c-{threads}"
        shutil.rmtree(sources, ignore_errors=True)
        sources.mkdir(parents=True)
        for file in files:
            _run([str(normgen), "emit", str(file), "--target", "host", "-o", str(sources)])
        for kernel, inputs in gradients.items():
            emit = [
                str(normgen), "emit", str(files[0]), "--kernel", kernel, "--target", "host", "-o",
                str(sources)]
            statistics = _of_norm(SAVED_STATISTICS, kernel)
            if statistics:
                # In place of the kernel that stores its result only.
                _run([*emit, "--storing", ",".join(statistics)])
            saved = [*_of_norm(SAVED_OUTPUTS, kernel), *statistics]
            saving = ["--saving", ",".join(saved)] if saved else []
            _run([*emit, "--gradient", *saving, "--with-respect-to", ",".join(inputs)])
        emitted = sorted(sources.glob("*.c"))
        # NAME_TARGET.c, by NAME.
        self._sources = {path.stem.rsplit("_", 1)[0]: path for path in emitted}
        self.target = emitted[0].stem.rsplit("_", 1)[1]
        self.command = [compiler(), *FLAGS]
        library = folder / f"kernels-{threads}.so"
        _run([*self.command, str(HERE / "host.c"), *map(str, emitted), "-o", str(library)])
        self._library = ctypes.CDLL(str(library))
        self._library.host_start.argtypes = [ctypes.c_int64]
        self._library.host_run.argtypes = [ctypes.POINTER(KernelCall), ctypes.c_int64]
        self._library.host_run.restype = None
        if self._library.host_start(threads) != 0:
            raise BuildError(f"the pool of {threads} threads did not start")
        self._threads = threads

    def contenders(self, problem: Problem) -> list[Contender]:
        """Our kernels for a case; none if there is no such kernel."""
        kernel = problem.case.kernel
        if kernel not in self._sources:
            return []
        if problem.case.operation.group == "gradients":
            return [self._training_contender(problem, kernel)]
        found = [self._contender(problem, kernel, "NormGen")]
        if self._threads == 1 and not any(tensor.is_matrix for tensor in problem.case.inputs):
            found.append(self._ctypes_contender(problem, kernel))
        if f"{kernel}_exact" in self._sources:
            exact = self._contender(problem, f"{kernel}_exact", "NormGen, exact order")
            found.append(exact)
        return found

    def _function(self, kernel: str, suffix: str, arguments: list, result: object = None):
        function = getattr(self._library, f"{self._sources[kernel].stem}_{suffix}")
        function.argtypes = arguments
        function.restype = result
        return function

    def _training_contender(self, problem: Problem, kernel: str) -> Contender:
        """The forward kernel, then its gradient."""
        case = problem.case
        outputs = [name for name in problem.outputs if not name.startswith("d_")]
        forward = [
            *[tensor.name for tensor in case.inputs if not tensor.name.startswith("d_")], *outputs]
        statistics = [
            Tensor(name, (case.rows, 1), has_rows=True, storage="f32")
            for name in _of_norm(SAVED_STATISTICS, kernel)]
        forward += [tensor.name for tensor in statistics]
        # A gradient reads what it needs: no shift, and the sum in place of its terms.
        own = ["gain", "hidden"] if "hidden" in outputs else ["x", "gain"]
        backward = [
            *own, *[tensor.name for tensor in statistics],
            *[tensor.name for tensor in case.inputs if tensor.name.startswith("d_")],
            *[name for name in problem.outputs if name.startswith("d_")]]
        tensors = {tensor.name: tensor for tensor in [*case.inputs, *case.outputs, *statistics]}
        arrays = problem.inputs | problem.outputs | {
            tensor.name: page_aligned(tensor.shape, np.dtype(np.float32)) for tensor in statistics}
        forward_call, forward_scratch = self._call(
            kernel, case.rows, [arrays[name] for name in forward],
            [_row_length(tensors[name]) for name in forward])
        backward_call, backward_scratch = self._call(
            f"{kernel}_gradient", case.rows, [arrays[name] for name in backward],
            [_row_length(tensors[name]) for name in backward])
        held: list[object] = [arrays, forward_scratch, backward_scratch]

        def repeat(repetitions: int, held: list[object] = held) -> None:
            for _ in range(repetitions):
                self._library.host_run(ctypes.byref(forward_call), 1)
                self._library.host_run(ctypes.byref(backward_call), 1)

        return Contender("NormGen", repeat, lambda: cleared_results(problem, repeat), role="own")

    def _contender(self, problem: Problem, kernel: str, name: str) -> Contender:
        """With packed weights, by as many parts as there are threads."""
        case = problem.case
        arrays: list[np.ndarray] = []
        lengths: list[int] = []
        for tensor in case.inputs:
            array = problem.inputs[tensor.name]
            parts = list(blocks.quants("i8", array)) if tensor.blocks == "i8" else [array]
            if tensor.is_matrix:
                parts[0] = self._packed(kernel, tensor.name, parts[0])
            arrays += parts
            lengths += [_row_length(tensor)] * len(parts)
        arrays += problem.outputs.values()
        lengths += [_row_length(tensor) for tensor in case.outputs]
        call, scratch = self._call(kernel, case.rows, arrays, lengths)
        # The call has addresses only; this keeps what they point to.
        held = [*arrays, scratch]

        def repeat(repetitions: int, held: list[np.ndarray] = held) -> None:
            self._library.host_run(ctypes.byref(call), repetitions)

        rows_as: RowsAs = "f32"
        if case.operation.by_integers:
            rows_as = "i8 by row" if case.operation.blocks == "i8" else "i8 by 32"
        return Contender(
            name, repeat, lambda: cleared_results(problem, repeat), role="own", rows_as=rows_as)

    def _ctypes_contender(self, problem: Problem, kernel: str) -> Contender:
        """Without the loop in C: what a call from Python costs."""
        case = problem.case
        arrays = [*problem.inputs.values(), *problem.outputs.values()]
        call, scratch = self._call(kernel, case.rows, arrays, _row_lengths(case))
        integer = ctypes.c_int64
        arguments = (
            integer(call.rows), call.buffers, call.strides, ctypes.c_void_p(call.scratch), integer(0),
            integer(0), integer(1))
        entry = self._entry(kernel)
        repeat = repeated(lambda held=scratch: entry(*arguments))
        return Contender(
            "NormGen through ctypes", repeat, lambda: cleared_results(problem, repeat), role="own")

    def _entry(self, kernel: str):
        integer = ctypes.c_int64
        return self._function(
            kernel, "entry",
            [integer, Pointers, Integers, ctypes.c_void_p, integer, integer, integer])

    def _call(
        self, kernel: str, rows: int, arrays: list[np.ndarray], lengths: list[int]
    ) -> tuple[KernelCall, np.ndarray]:
        """A call by as many parts as there are threads, and its scratch memory."""
        integer = ctypes.c_int64
        count = len(arrays)
        buffers = (ctypes.c_void_p * count)(*[array.ctypes.data for array in arrays])
        strides = (integer * count)(*lengths)
        sizes = [integer, integer]
        phases = self._function(kernel, "phases", sizes, integer)(rows, self._threads)
        bytes_needed = self._function(kernel, "scratch_bytes", sizes, integer)
        scratch = page_aligned((bytes_needed(rows, self._threads),), np.dtype(np.uint8))
        address = ctypes.cast(self._entry(kernel), ctypes.c_void_p)
        call = KernelCall(
            address, rows, buffers, strides, scratch.ctypes.data, phases, self._threads, 0)
        return call, scratch

    def _packed(self, kernel: str, name: str, weights: np.ndarray) -> np.ndarray:
        header = self._sources[kernel].with_suffix(".h").read_text()
        elements = {match[1]: int(match[2]) for match in PACKED_ELEMENTS.finditer(header)}
        if name not in elements:
            raise BuildError(f"the header of {kernel} does not say how long the packed {name} is")
        packed = page_aligned((elements[name],), weights.dtype)
        pack = self._function(kernel, f"pack_{name}", [ctypes.c_void_p, ctypes.c_void_p])
        pack(weights.ctypes.data, packed.ctypes.data)
        return packed


def _of_norm(saved: dict[str, list[str]], kernel: str) -> list[str]:
    """The values of a kernel, which is named after its norm, its extent and its type."""
    return next((names for norm, names in saved.items() if kernel.startswith(norm)), [])


def _row_lengths(case: Case) -> list[int]:
    """The elements from row to row of each parameter; 0 without rows."""
    return [_row_length(tensor) for tensor in [*case.inputs, *case.outputs]]


def _row_length(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.has_rows else 0


def cleared_results(problem: Problem, repeat) -> Arrays:
    """What one call writes to the problem's outputs, which are cleared before it."""
    for array in problem.outputs.values():
        array.fill(cleared_value(array))
    repeat(1)
    return {name: array.copy() for name, array in problem.outputs.items()}

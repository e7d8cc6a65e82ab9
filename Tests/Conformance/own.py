"""Our kernels: emitted as C, compiled as a user would, and called through ctypes; and the interpreters."""

import ctypes
import os
from pathlib import Path
import shlex
import shutil
import subprocess

import numpy as np

from arrays import TYPES
from text import KernelText

# The contract fixes the bits, so the least optimization will do.
FLAGS = ["-std=c11", "-O1", "-march=native", "-ffp-contract=off", "-fPIC", "-shared"]


class BuildError(Exception):
    """A tool that the kernels need failed or is missing."""


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


def compiler() -> str:
    """The C compiler: CC, or the first of clang and gcc that there is."""
    if "CC" in os.environ:
        return os.environ["CC"]
    for name in ["clang", "gcc"]:
        if shutil.which(name):
            return name
    raise BuildError("expected a C compiler, clang or gcc, in PATH")


class Tool:
    """The command line tool, and a folder for what it reads and writes."""

    def __init__(self, normgen: Path, folder: Path) -> None:
        if not normgen.exists():
            raise BuildError(f"expected the command line tool at {normgen}; build it first")
        self._normgen = str(normgen)
        self._folder = folder

    def file(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def graphs(self, file: Path) -> dict[str, KernelText]:
        """What the tool understands of a file's kernels, by name."""
        printed = run([self._normgen, "explain", str(file), "--stage", "graph"])
        return KernelText.all(printed)

    def references(
        self, name: str, text: str, outputs: dict[str, str], inputs: dict[str, np.ndarray]
    ) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of a kernel's outputs, given with their types, what both interpreters say.

        The values and the bounds on a kernel's error, in Float64, and the exact output."""
        file = self.file("oracle/kernel.ng", text)
        command = [self._normgen, "run", str(file), "--kernel", name, "--input"]
        for parameter, array in inputs.items():
            path = file.with_name(f"{parameter}.npy")
            np.save(path, array.view(np.uint16) if array.dtype == TYPES["bf16"] else array)
            command.append(f"{parameter}={path}")
        options = ["oracle", "bound", "exact"]
        for option in options:
            command += [f"--{option}"]
            command += [f"{name}={file.with_name(f'{name}-{option}.npy')}" for name in outputs]
        run(command)

        def load(name: str, option: str) -> np.ndarray:
            array = np.load(file.with_name(f"{name}-{option}.npy"))
            return array.view(TYPES[outputs[name]]) if option == "exact" else array

        return {name: tuple(load(name, option) for option in options) for name in outputs}


class Library:
    """The kernels of a text in one shared library."""

    def __init__(self, tool: Tool, name: str, kernels: dict[str, KernelText], text: str) -> None:
        self._kernels = kernels
        file = tool.file(f"{name}.ng", text)
        sources = file.with_name(f"{name}-c")
        shutil.rmtree(sources, ignore_errors=True)
        sources.mkdir()
        run([tool._normgen, "emit", str(file), "--target", "host", "-o", str(sources)])
        emitted = sorted(sources.glob("*.c"))
        self.target = emitted[0].stem.rsplit("_", 1)[1]
        self.compiler = compiler()
        path = sources / "kernels.so"
        run([self.compiler, *FLAGS, *map(str, emitted), "-o", str(path)])
        self._library = ctypes.CDLL(str(path))

    def __call__(self, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A kernel's outputs for rows of inputs."""
        kernel = self._kernels[name]
        arrays = [np.ascontiguousarray(inputs[parameter]) for parameter in kernel.inputs]
        for array, (parameter, declared) in zip(arrays, kernel.inputs.items()):
            type_ = TYPES[declared.split("[")[0]]
            if array.dtype != type_:
                raise TypeError(f"{name}: {parameter}: expected {type_}, found {array.dtype}")
        rows = arrays[list(kernel.inputs).index("x")].shape[0]
        extents = kernel.output_extents
        outputs = {
            output: np.full((rows, extents[output]), np.nan, TYPES[type_])
            for output, type_ in kernel.outputs.items()}
        arrays += outputs.values()
        buffers = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
        strides = (ctypes.c_int64 * len(arrays))(*[array.shape[-1] for array in arrays])
        symbol = f"{name}_{self.target}"
        extents = []
        for number in ("scratch_bytes", "phases"):
            function = getattr(self._library, f"{symbol}_{number}")
            function.argtypes, function.restype = [ctypes.c_int64] * 2, ctypes.c_int64
            extents.append(function(rows, 1))
        scratch_bytes, phases = extents
        scratch = (ctypes.c_char * scratch_bytes)()
        entry = getattr(self._library, f"{symbol}_entry")
        entry.argtypes = [
            ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64),
            ctypes.c_void_p, *[ctypes.c_int64] * 3]
        entry.restype = None
        for phase in range(phases):
            entry(rows, buffers, strides, scratch, phase, 0, 1)
        return outputs

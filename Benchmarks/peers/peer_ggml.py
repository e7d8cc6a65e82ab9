"""ggml, llama.cpp's library of tensors: a graph with one product, called in a loop in C++."""

import ctypes
from pathlib import Path

import numpy as np

from blocks import FORMATS
from ggml_build import GGML_VERSION, PACKAGE, PACKAGE_VERSION
from problem import Arrays, Contender, Problem, RowsAs, Unsupported

VERSION = f"ggml {GGML_VERSION} ({PACKAGE} {PACKAGE_VERSION})"

_library: ctypes.CDLL | None = None


def load(path: Path) -> None:
    """The library of ggml/product.cpp."""
    global _library
    _library = ctypes.CDLL(str(path))
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    _library.product_new.argtypes = [
        ctypes.c_char_p, ctypes.c_bool, integer, integer, integer, pointer, pointer, pointer,
        ctypes.c_int32]
    _library.product_new.restype = pointer
    _library.product_run.argtypes = [pointer, integer]
    _library.product_free.argtypes = [pointer]


def start(threads: int) -> None:
    """Threads are an option of each product."""


class Product:
    """A product on a problem's memory."""

    def __init__(self, problem: Problem, repacked: bool, threads: int) -> None:
        assert _library is not None
        self._library = _library
        case, x, y = problem.case, problem.inputs["x"], problem.outputs["y"]
        # ggml has no reference to the arrays.
        self._held = problem
        self._product = _library.product_new(
            str(case.operation.blocks).encode(), repacked, case.rows, case.inner, case.columns,
            problem.inputs["w"].ctypes.data, x.ctypes.data, y.ctypes.data, threads)

    @property
    def exists(self) -> bool:
        return self._product is not None

    def repeat(self, count: int) -> None:
        if self._library.product_run(self._product, count) != 0:
            raise RuntimeError("ggml did not compute its graph")

    def results(self) -> Arrays:
        for array in self._held.outputs.values():
            array.fill(np.nan)
        self.repeat(1)
        return {name: array.copy() for name, array in self._held.outputs.items()}

    def __del__(self) -> None:
        if self._product is not None:
            self._library.product_free(self._product)


def contenders(problem: Problem, threads: int) -> list[Contender]:
    """With the weights as they are, and repacked if this build does that for the format."""
    operation = problem.case.operation
    if _library is None:
        raise Unsupported("it was not built")
    if not operation.by_integers:
        raise Unsupported("its products with these weights round rows to integers")
    assert operation.blocks is not None
    if operation.blocks == "i8":
        raise Unsupported("its formats have no scale for a whole output")
    row_group = FORMATS[operation.blocks].row_group
    rows_as: RowsAs = "i8 by 32" if row_group == 32 else "i8 by 256"
    found = []
    for name, repacked in [("ggml", False), ("ggml, repacked", True)]:
        product = Product(problem, repacked, threads)
        if product.exists:
            found.append(
                Contender(name, product.repeat, product.results, rows_as=rows_as))
    return found

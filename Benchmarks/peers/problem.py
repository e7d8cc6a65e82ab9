"""The arrays of a case and what competes on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
import zlib

import ml_dtypes
import numpy as np

import blocks
from cases import Case, Storage, Tensor

DTYPES: dict[Storage | Literal["i8", "u8"], np.dtype] = {
    "f32": np.dtype(np.float32),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i8": np.dtype(np.int8),
    "u8": np.dtype(np.uint8),
}

Arrays = dict[str, np.ndarray]


class Unsupported(Exception):
    """A peer has no implementation of a case; the message says what it lacks."""


@dataclass(frozen=True)
class Problem:
    """A case with its inputs, and outputs for all who can write to memory that is given."""

    case: Case
    inputs: Arrays
    outputs: Arrays


# Bare: a peer's matrix product alone, beside a case that does more. Lesser: a peer that computes
# less than the case says, by its own documentation; it is shown, and never the best.
Role = Literal["own", "peer", "bare", "lesser"]

# What a contender documents that it makes of the rows of a product whose weights are in blocks:
# nothing, bf16 numbers, or integers of 8 bits by scales of so many elements or of the row.
RowsAs = Literal["f32", "bf16", "i8 by 32", "i8 by 256", "i8 by row"]


@dataclass(frozen=True)
class Contender:
    """One way to compute a case."""

    name: str
    # Computes the case so many times; when it returns, all results are there.
    repeat: Callable[[int], None]
    # Computes the case once and gives the outputs.
    results: Callable[[], Arrays]
    role: Role = "peer"
    rows_as: RowsAs = "f32"


def repeated(call: Callable[[], object]) -> Callable[[int], None]:
    """Calls from Python, one after another."""

    def repeat(count: int) -> None:
        for _ in range(count):
            call()

    return repeat


def page_aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory that begins on a page, its pages touched."""
    page = 4096
    count = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(count + page, dtype=np.uint8)
    offset = -raw.ctypes.data % page
    return raw[offset:offset + count].view(dtype).reshape(shape)


def cleared_value(array: np.ndarray) -> float:
    """What an output is filled with before a call that must write it: NaN where there is one."""
    return -77 if array.dtype == DTYPES["i8"] else np.nan


def make_problem(case: Case) -> Problem:
    """Seeded arrays for a case. The rows' magnitudes differ: the smallest feel epsilon."""
    generator = np.random.default_rng(zlib.crc32(case.key.encode()))
    dtype = DTYPES[case.storage]
    inputs: Arrays = {}
    for tensor in case.inputs:
        if tensor.blocks is not None:
            array = page_aligned(tensor.shape, DTYPES["u8"])
            array[...] = blocks.random_blocks(
                generator, tensor.blocks, case.columns, case.inner)
            inputs[tensor.name] = array
            continue
        values = generator.standard_normal(tensor.shape, dtype=np.float32)
        if tensor.has_rows:
            exponents = np.arange(tensor.shape[0]) % 11 - 8
            values = (values + np.float32(0.25)) * np.exp2(exponents[:, None], dtype=np.float32)
        elif tensor.is_matrix:
            values *= np.float32(tensor.shape[0] ** -0.5)
        elif tensor.name == "gain":
            values = 1 + np.float32(0.25) * values
        array = page_aligned(tensor.shape, dtype)
        array[...] = values
        inputs[tensor.name] = array

    def output(tensor: Tensor) -> np.ndarray:
        return page_aligned(tensor.shape, DTYPES[tensor.storage or case.storage])

    outputs = {tensor.name: output(tensor) for tensor in case.outputs}
    return Problem(case, inputs, outputs)

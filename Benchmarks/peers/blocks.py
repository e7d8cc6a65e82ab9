"""Quantized weights: their extents, random ones, and the values that the formats define.

Weights are [out, in]. ggml's blocks have elements of one output that follow each other; `i8` has the
integers of an output behind their scale, a Float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Values:
    """Weights in Float64, as the format defines them."""

    value: np.ndarray
    # The sum of the magnitudes of what is added to make each.
    size: np.ndarray


@dataclass(frozen=True)
class Format:
    """Elements and bytes of a block; 0 where a whole output is one."""

    elements: int
    bytes: int
    # How many elements share a scale of the rows where they are taken as integers; 0 for all.
    row_group: int


FORMATS: dict[str, Format] = {
    "q4_0": Format(32, 18, 32),
    "q8_0": Format(32, 34, 32),
    "q4_K": Format(256, 144, 256),
    "q6_K": Format(256, 210, 256),
    "i8": Format(0, 0, 0),
}


def block_bytes(format: str, elements: int) -> int:
    """The bytes of so many elements, of an output in `i8`."""
    if format == "i8":
        return 4 + elements
    return elements // FORMATS[format].elements * FORMATS[format].bytes


def random_blocks(
    generator: np.random.Generator, format: str, columns: int, terms: int
) -> np.ndarray:
    """The bytes of random weights with a variance of about 1/terms, [columns, bytes of a row]."""
    if format == "i8":
        values = generator.standard_normal((columns, terms), dtype=np.float32)
        values *= np.float32(terms**-0.5)
        scales = np.abs(values).max(-1, keepdims=True) / np.float32(127)
        integers = np.rint(values / scales).astype(np.int8)
        return np.concatenate([scales.view(np.uint8), integers.view(np.uint8)], -1)
    if format in ("q4_0", "q8_0"):
        values = generator.standard_normal((columns, terms), dtype=np.float32)
        values *= np.float32(terms**-0.5)
        quantize = _q4_0 if format == "q4_0" else _q8_0
        return quantize(values.reshape(columns, -1, 32)).reshape(columns, -1)
    count = terms // 256
    data = generator.integers(0, 256, (columns, count, FORMATS[format].bytes), dtype=np.uint8)

    def put_scale(place: int, size: float) -> None:
        """Within a factor of 2 of `size`."""
        scale = size * generator.uniform(0.7, 1.4, (columns, count, 1))
        data[..., place:place + 2] = scale.astype("<f2").view(np.uint8)

    if format == "q4_K":
        # Sums of squares of (d s) q − dmin t over all s, t below 64 and q below 16.
        put_scale(0, terms**-0.5 / 240)
        # So that the values' mean is about 0.
        put_scale(2, terms**-0.5 / 32)
    else:
        put_scale(208, terms**-0.5 / 1350)
    return data.reshape(columns, -1)


def _with_scales(scales: np.ndarray, quants: np.ndarray) -> np.ndarray:
    return np.concatenate([scales.astype("<f2").view(np.uint8), quants.view(np.uint8)], -1)


def _q4_0(values: np.ndarray) -> np.ndarray:
    """The element of the greatest magnitude is −8 times the scale."""
    place = np.abs(values).argmax(-1, keepdims=True)
    scales = np.take_along_axis(values, place, -1) / np.float32(-8)
    quants = np.clip(np.rint(values / scales) + 8, 0, 15).astype(np.uint8)
    return _with_scales(scales, quants[..., :16] | quants[..., 16:] << 4)


def _q8_0(values: np.ndarray) -> np.ndarray:
    scales = np.abs(values).max(-1, keepdims=True) / np.float32(127)
    return _with_scales(scales, np.rint(values / scales).astype(np.int8))


def quants(format: str, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integers [out, in] and scales [out, in / 32], or [out, 1], of a format that has no more."""
    if format == "i8":
        return np.ascontiguousarray(data[:, 4:]).view(np.int8), data[:, :4].copy().view(np.float32)
    blocks = data.reshape(len(data), -1, FORMATS[format].bytes)
    scales = _f16(blocks, 0)[..., 0].astype(np.float16)
    if format == "q4_0":
        integers = np.concatenate(_nibbles(blocks[..., 2:]), -1).astype(np.int8) - np.int8(8)
    elif format == "q8_0":
        integers = blocks[..., 2:].view(np.int8)
    else:
        raise ValueError(f"{format} has more than integers and scales")
    return np.ascontiguousarray(integers).reshape(len(data), -1), scales


def values(format: str, data: np.ndarray) -> Values:
    """What blocks mean, [out, in]."""
    if format == "i8":
        return _simple("i8", data)
    blocks = data.reshape(len(data), -1, FORMATS[format].bytes)
    definition: Callable[[np.ndarray], Values] = {
        "q4_0": lambda blocks: _simple("q4_0", data),
        "q8_0": lambda blocks: _simple("q8_0", data),
        "q4_K": _q4_K_values,
        "q6_K": _q6_K_values,
    }[format]
    found = definition(blocks)
    shape = (len(data), -1)
    return Values(found.value.reshape(shape), found.size.reshape(shape))


def _simple(format: str, data: np.ndarray) -> Values:
    integers, scales = quants(format, data)
    scale = scales.astype(np.float64).repeat(integers.shape[-1] // scales.shape[-1], -1)
    # Quants may be summed as they are stored, and their zero point apart.
    zero = 8 if format == "q4_0" else 128
    return Values(integers * scale, (np.abs(integers) + float(zero)) * np.abs(scale))


def _f16(blocks: np.ndarray, place: int) -> np.ndarray:
    return np.ascontiguousarray(blocks[..., place:place + 2]).view("<f2").astype(np.float64)


def _nibbles(data: np.ndarray) -> list[np.ndarray]:
    """The low four bits of each byte, and the high ones."""
    return [data & 15, data >> 4]


def _q4_K_values(blocks: np.ndarray) -> Values:
    """(d s) q − dmin t: s and t of six bits for 32 elements each, packed in 12 bytes."""
    packed = blocks[..., 4:16]
    first, second, last = packed[..., :4], packed[..., 4:8], packed[..., 8:]
    low, high = _nibbles(last)
    s = np.concatenate([first & 63, low | first >> 6 << 4], -1)
    t = np.concatenate([second & 63, high | second >> 6 << 4], -1)
    # 64 elements in 32 bytes: the low halves, then the high ones.
    data = blocks[..., 16:].reshape(*blocks.shape[:-1], 4, 32)
    q = np.stack(_nibbles(data), -2).reshape(*blocks.shape[:-1], 8, 32)
    product = (_f16(blocks, 0) * s)[..., None] * q
    least = (_f16(blocks, 2) * t)[..., None]
    return Values(product - least, np.abs(product) + np.abs(least))


def _q6_K_values(blocks: np.ndarray) -> Values:
    """(d s) (q − 32): q of four low bits and two high ones, s of 8 bits for 16 elements each."""
    shape = blocks.shape[:-1]
    # For 128 elements: 64 bytes with low bits and 32 with high ones.
    low = np.concatenate(_nibbles(blocks[..., :128].reshape(*shape, 2, 64)), -1)
    data = blocks[..., 128:192].reshape(*shape, 2, 32)
    high = np.concatenate([data >> shift & 3 for shift in (0, 2, 4, 6)], -1)
    q = (low | high << 4).reshape(*shape, 16, 16).astype(np.float64)
    scale = (_f16(blocks, 208) * blocks[..., 192:208].view(np.int8))[..., None]
    return Values(scale * (q - 32), np.abs(scale) * (q + 32))

"""Storage types, seeded inputs, and what two arrays have in common to the bit."""

from typing import Literal

import ml_dtypes
import numpy as np

Storage = Literal["f32", "bf16", "f16"]

TYPES: dict[Storage, np.dtype] = {
    "f32": np.dtype(np.float32),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f16": np.dtype(np.float16),
}

# The bits of a significand, the least exponent of a normal number, and the greatest exponent.
PRECISION: dict[Storage, tuple[int, int, int]] = {
    "f32": (24, -126, 127), "bf16": (8, -126, 127), "f16": (11, -14, 15)}


def storage(array: np.ndarray) -> Storage:
    """The storage type of an array."""
    for name, dtype in TYPES.items():
        if array.dtype == dtype:
            return name
    raise TypeError(f"expected one of {', '.join(TYPES)}, found {array.dtype}")


def bits(array: np.ndarray) -> np.ndarray:
    """The elements' bits."""
    return np.ascontiguousarray(array).view(np.uint32 if array.itemsize == 4 else np.uint16)


def equal_bits(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Where two arrays of one type hold the same bits; NaNs are equal whatever their payload."""
    if left.dtype != right.dtype or left.shape != right.shape:
        raise TypeError(
            f"expected {left.dtype}{list(left.shape)}, found {right.dtype}{list(right.shape)}")
    return (bits(left) == bits(right)) | (np.isnan(left) & np.isnan(right))


def ulps(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The distance of elements in units in the last place, those of 1 where both are smaller.

    Normalized rows are about 1, and what cancels to less has the errors of what it was made from.
    """
    digits, _, _ = PRECISION[storage(left)]
    left, right = left.astype(np.float64), right.astype(np.float64)
    magnitude = np.maximum(np.maximum(np.abs(left), np.abs(right)), 1.0)
    return np.abs(left - right) / np.ldexp(1.0, np.frexp(magnitude)[1] - digits)


def as_numpy(tensor) -> np.ndarray:
    """A torch tensor's elements, bf16 included."""
    import torch

    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(TYPES["bf16"])
    return tensor.numpy()


def as_torch(array: np.ndarray):
    """An array's elements as a torch tensor."""
    import torch

    array = np.ascontiguousarray(array)
    if array.dtype == TYPES["bf16"]:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy())


def rows_of(generator: np.random.Generator, extent: int, type_: Storage) -> np.ndarray:
    """Rows of different kinds, of which each meets another rounding or cancellation.

    Standard normal ones, large and small ones, ones whose mean is far from zero, a constant one, one
    of zeros, one with a single large element, and one of few distinct values, whose products lie
    halfway between values of a half type more often than others.
    """
    normal = generator.standard_normal
    rows = [normal(extent) for _ in range(8)]
    rows += [normal(extent) * scale for scale in (200.0, 1e-3)]
    rows += [normal(extent) + mean for mean in (3.0, -100.0)]
    rows += [np.full(extent, 0.7), np.zeros(extent)]
    rows.append(np.where(np.arange(extent) == extent // 2, 500.0, normal(extent) * 0.01))
    rows.append(generator.integers(-8, 9, extent) / 4)
    return np.stack(rows).astype(np.float32).astype(TYPES[type_])


def parameter(
    generator: np.random.Generator, extent: int, type_: Storage, mean: float
) -> np.ndarray:
    """A gain or shift."""
    values = mean + 0.5 * generator.standard_normal(extent)
    return values.astype(np.float32).astype(TYPES[type_])

"""What a case must give, in Float64, and how far any evaluation may be from it.

A value carries a bound on the error of an evaluation that rounds every element-wise step to the
case's storage type and accumulates sums in Float32 in any order. Bounds are of first order in each
step's incoming errors and exact in its own rounding. An evaluation beyond its bound does something
else than the case says.
"""

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from scipy.special import erf

import blocks
from cases import EPSILON, PARTIAL_FRACTION, Case, Storage
from problem import DTYPES, Arrays, Problem, RowsAs

# The greatest relative error of one rounding to nearest.
ROUNDING: dict[Storage, float] = {"f32": 2.0**-24, "bf16": 2.0**-8}
FLOAT32 = ROUNDING["f32"]

# What exp, erf and the square root's reciprocal may be off, in roundings of Float32.
FUNCTION_ROUNDINGS = 4


# Independent errors of either sign stay within so many times the root of the sum of their bounds'
# squares, but for one case in 10^13 (Hoeffding).
INDEPENDENT = 8


def roundings(count: int, unit: float) -> float:
    """The relative error of `count` roundings after each other."""
    return count * unit / (1 - count * unit)


@dataclass(frozen=True)
class Bounded:
    """Values and how far an evaluation may be from each."""

    value: np.ndarray
    error: np.ndarray

    def rounded(self, unit: float) -> "Bounded":
        """The same after one more rounding."""
        return Bounded(self.value, self.error + (np.abs(self.value) + self.error) * unit)


class Evaluation:
    """Evaluates a case's operations on values with bounds."""

    def __init__(self, storage: Storage) -> None:
        self.unit = ROUNDING[storage]

    def exact(self, array: np.ndarray) -> Bounded:
        value = array.astype(np.float64)
        return Bounded(value, np.zeros_like(value))

    def add(self, a: Bounded, b: Bounded) -> Bounded:
        return Bounded(a.value + b.value, a.error + b.error).rounded(self.unit)

    def multiply(self, a: Bounded, b: Bounded) -> Bounded:
        error = np.abs(a.value) * b.error + np.abs(b.value) * a.error + a.error * b.error
        return Bounded(a.value * b.value, error).rounded(self.unit)

    def mean(self, a: Bounded) -> Bounded:
        count = a.value.shape[-1]
        error = a.error.mean(-1, keepdims=True)
        size = np.abs(a.value).mean(-1, keepdims=True) + error
        return Bounded(a.value.mean(-1, keepdims=True), error + size * roundings(count, FLOAT32))

    def mean_square(self, a: Bounded) -> Bounded:
        """Squares round in Float32, as the sum does."""
        size = np.abs(a.value) + a.error
        square = Bounded(a.value**2, (2 * size * a.error) + size**2 * FLOAT32)
        return self.mean(square)

    def inverse_root(self, a: Bounded, epsilon: float) -> Bounded:
        """1 / sqrt(a + epsilon), a statistic: kept in Float32 by all."""
        value = 1 / np.sqrt(a.value + epsilon)
        # The slope is greatest at the lower end of what `a` may be.
        lower = np.maximum(a.value - a.error, 0) + epsilon
        error = 1 / np.sqrt(lower) - value
        return Bounded(value, error).rounded(roundings(1 + FUNCTION_ROUNDINGS, FLOAT32))

    def rms_norm(self, x: Bounded, gain: Bounded, count: int | None = None) -> Bounded:
        """With the statistic of the first `count` elements, or of all."""
        window = Bounded(x.value[..., :count], x.error[..., :count])
        inverse = self.inverse_root(self.mean_square(window), EPSILON["rms_norm"])
        return self.multiply(self.multiply(x, inverse), gain)

    def layer_norm(self, x: Bounded, gain: Bounded, shift: Bounded) -> Bounded:
        mean = self.mean(x)
        centred = Bounded(x.value - mean.value, x.error + mean.error).rounded(FLOAT32)
        variance = self.mean_square(centred)
        # A variance as mean of squares less squared mean is allowed, too: both parts' errors.
        parts = self.mean_square(x).error + 2 * np.abs(mean.value) * mean.error
        variance = Bounded(variance.value, np.maximum(variance.error, parts)).rounded(FLOAT32)
        inverse = self.inverse_root(variance, EPSILON["layer_norm"])
        # x · inverse − mean · inverse is allowed, too: its products round before they cancel.
        products = (np.abs(x.value) + np.abs(mean.value)) * inverse.value * 2 * FLOAT32
        normed = self.multiply(centred, inverse)
        normed = Bounded(normed.value, normed.error + products)
        return self.add(self.multiply(normed, gain), shift)

    def training(self, operation: str, values: dict[str, Bounded]) -> dict[str, Bounded]:
        """A norm's outputs and its gradients."""
        x, gain = values["x"], values["gain"]
        outputs: dict[str, Bounded] = {}
        if operation == "layer_norm":
            outputs["y"] = self.layer_norm(x, gain, values["shift"])
            mean = self.mean(x)
            centred = Bounded(x.value - mean.value, x.error + mean.error).rounded(FLOAT32)
            variance = self.mean_square(centred)
            parts = self.mean_square(x).error + 2 * np.abs(mean.value) * mean.error
            variance = Bounded(variance.value, np.maximum(variance.error, parts))
            inverse = self.inverse_root(variance.rounded(FLOAT32), EPSILON["layer_norm"])
            products = (np.abs(x.value) + np.abs(mean.value)) * inverse.value * 2 * FLOAT32
            normed = self.multiply(centred, inverse)
            normed = Bounded(normed.value, normed.error + products)
            upstream = values["d_y"]
        elif operation == "rms_norm":
            outputs["y"] = self.rms_norm(x, gain)
            inverse = self.inverse_root(self.mean_square(x), EPSILON["rms_norm"])
            normed, upstream = self.multiply(x, inverse), values["d_y"]
        else:
            hidden = self.add(x, values["residual"])
            outputs = {"hidden": hidden, "normed": self.rms_norm(hidden, gain)}
            inverse = self.inverse_root(self.mean_square(hidden), EPSILON["rms_norm"])
            normed, upstream = self.multiply(hidden, inverse), values["d_normed"]
        q = self.multiply(upstream, gain)
        product = self.multiply(q, normed)
        along = self.mean(product)
        # Twice: peers may form the part along the row in more steps than these.
        removed = self.multiply(normed, along).rounded(roundings(4, self.unit))
        inner = self.add(q, Bounded(-removed.value, removed.error))
        if operation == "layer_norm":
            across = self.mean(q)
            inner = self.add(inner, Bounded(-across.value, across.error))
        # Terms that cancel round before they do.
        size = (np.abs(q.value) + np.abs(removed.value)) * roundings(4, self.unit)
        d_x = self.multiply(Bounded(inner.value, inner.error + size), inverse)
        if operation == "add_rms_norm":
            d_x = self.add(d_x, values["d_hidden"])
        outputs["d_x"] = d_x
        outputs["d_gain"] = self.sum_over_rows(self.multiply(upstream, normed))
        if operation == "layer_norm":
            outputs["d_shift"] = self.sum_over_rows(upstream)
        return outputs

    def sum_over_rows(self, a: Bounded) -> Bounded:
        size = (np.abs(a.value) + a.error).sum(0)
        error = a.error.sum(0) + size * roundings(a.value.shape[0], FLOAT32)
        return Bounded(a.value.sum(0), error).rounded(self.unit)

    def quantized(self, y: Bounded) -> dict[str, Bounded]:
        """Rows as integers by scales of their own: the quotients, which integers round."""
        sizes = np.abs(y.value)
        scale = Bounded(
            sizes.max(-1, keepdims=True) / 127, y.error.max(-1, keepdims=True) / 127)
        scale = scale.rounded(FLOAT32)
        quotient = y.value / scale.value
        least = scale.value - scale.error
        error = (y.error + np.abs(quotient) * scale.error) / least
        # A reciprocal and a product round twice; to integers, by half of one.
        q = Bounded(quotient, error).rounded(roundings(3, FLOAT32))
        return {"q": Bounded(q.value, q.error + 0.5), "scale": scale}

    def matmul(self, a: Bounded, b: Bounded) -> Bounded:
        size = np.abs(a.value) + a.error
        error = size @ np.abs(b.value) * roundings(a.value.shape[-1], FLOAT32)
        if a.error.any():
            error += a.error @ np.abs(b.value)
        return Bounded(a.value @ b.value, error).rounded(self.unit)

    def blocks_matmul(self, x: np.ndarray, weights: blocks.Values, rows_as: RowsAs) -> Bounded:
        """A product with weights [out, in] that are defined exactly."""
        value, size = weights.value.T, weights.size.T
        if rows_as == "f32":
            rows = self.exact(x)
        elif rows_as == "bf16":
            # The rows, the weights' scales, the weights, and the results.
            unit = roundings(3, ROUNDING["bf16"])
            rows = Bounded(x.astype(np.float64), np.abs(x) * unit)
        else:
            last = rows_as.removeprefix("i8 by ")
            rows = self.in_8_bits(x, x.shape[-1] if last == "row" else int(last))
        # Weights in Float32 round once, and what formats subtract may be summed apart: terms are
        # as large as `size`. Here K roundings of a sum are not in their worst case, which is larger
        # than the errors of integers, but as large as independent ones are.
        terms = INDEPENDENT * x.shape[-1] ** 0.5 * FLOAT32
        error = (np.abs(rows.value) + rows.error) @ size * terms
        error += INDEPENDENT * np.sqrt(rows.error**2 @ value**2)
        product = Bounded(rows.value @ value, error)
        return product.rounded(ROUNDING["bf16" if rows_as == "bf16" else "f32"])

    def in_8_bits(self, x: np.ndarray, group: int) -> Bounded:
        """Rows whose groups are integers up to 127 times a scale, which may be kept in f16."""
        value = x.astype(np.float64)
        greatest = np.abs(value.reshape(len(x), -1, group)).max(-1).repeat(group, -1)
        scale = greatest / 127
        scale_error = np.maximum(scale * 2.0**-11, 2.0**-25)
        quotient_error = 0.5 + 127 * roundings(3, FLOAT32)
        return Bounded(value, quotient_error * scale + 127 * scale_error)

    def sigmoid(self, a: Bounded) -> Bounded:
        value = 1 / (1 + np.exp(-a.value))
        # The slope is at most 1/4.
        unit = roundings(1 + FUNCTION_ROUNDINGS, FLOAT32)
        return Bounded(value, a.error / 4).rounded(unit).rounded(self.unit)

    def gelu(self, a: Bounded) -> Bounded:
        value = 0.5 * a.value * (1 + erf(a.value * 0.5**0.5))
        # The slope is at most 1.13. For negative arguments 1 + erf cancels: erf's own error stays.
        own = np.abs(a.value) * roundings(2 + FUNCTION_ROUNDINGS, FLOAT32)
        return Bounded(value, 1.13 * a.error + own).rounded(self.unit)


def expected(
    problem: Problem, operation: str, rows_as: RowsAs = "f32"
) -> dict[str, Bounded]:
    """The outputs of an operation on the problem's inputs, by name."""
    case = problem.case
    evaluation = Evaluation(case.storage)
    if (format := case.operation.blocks) is not None:
        # Who rounds rows where a case is by their values is beyond its bound.
        allowed = rows_as if case.operation.by_integers else "f32"
        weights = blocks.values(format, problem.inputs["w"])
        return {"y": evaluation.blocks_matmul(problem.inputs["x"], weights, allowed)}
    values = {name: evaluation.exact(array) for name, array in problem.inputs.items()}
    if operation.endswith("_training"):
        return evaluation.training(operation.removesuffix("_training"), values)
    match operation:
        case "rms_norm":
            return {"y": evaluation.rms_norm(values["x"], values["gain"])}
        case "partial_rms_norm":
            count = int(np.ceil(case.inner * PARTIAL_FRACTION))
            return {"y": evaluation.rms_norm(values["x"], values["gain"], count)}
        case "layer_norm":
            normed = evaluation.layer_norm(values["x"], values["gain"], values["shift"])
            return {"y": normed}
        case "add_rms_norm":
            hidden = evaluation.add(values["x"], values["residual"])
            return {"hidden": hidden, "normed": evaluation.rms_norm(hidden, values["gain"])}
        case "rms_norm_i8":
            return evaluation.quantized(evaluation.rms_norm(values["x"], values["gain"]))
        case "matmul":
            return {"y": evaluation.matmul(values["x"], values["w"])}
        case "linear_gelu_rms_norm":
            linear = evaluation.add(evaluation.matmul(values["x"], values["w"]), values["bias"])
            return {"y": evaluation.rms_norm(evaluation.gelu(linear), values["gain"])}
        case "rms_norm_linear":
            normed = evaluation.rms_norm(values["x"], values["gain"])
            return {"y": evaluation.matmul(normed, values["w"])}
        case "gated":
            gate = evaluation.matmul(values["x"], values["gate"])
            up = evaluation.matmul(values["x"], values["up"])
            silu = evaluation.multiply(gate, evaluation.sigmoid(gate))
            return {"y": evaluation.multiply(silu, up)}
        case other:
            raise ValueError(f"no reference is known for the operation {other!r}")


@dataclass(frozen=True)
class Agreement:
    """How a contender's outputs compare with what is expected."""

    # The greatest error, in units of the storage type's last place at the larger of the expected
    # value and its row's root mean square.
    units: float
    # The greatest error as a part of its bound; at most 1 for a right result.
    part_of_bound: float

    @property
    def is_right(self) -> bool:
        return self.part_of_bound <= 1


def _place(size: np.ndarray, stored: np.ndarray, unit: float) -> np.ndarray | float:
    """The last place at magnitudes, for a type whose values have it relative to theirs."""
    if stored.dtype == DTYPES["i8"]:
        return 1.0
    place = np.exp2(np.floor(np.log2(np.where(size > 0, size, 1)))) * unit
    # The smallest normal number's place: below it, types have no finer one.
    return np.maximum(place, float(ml_dtypes.finfo(stored.dtype).tiny) * unit)


def compare(case: Case, found: Arrays, wanted: dict[str, Bounded]) -> Agreement:
    """Holds a contender's outputs to what is expected. NaN is never right."""
    unit = 2 * ROUNDING[case.storage]
    units, part = 0.0, 0.0
    for name, bounded in wanted.items():
        error = np.abs(found[name].astype(np.float64) - bounded.value)
        row = np.sqrt(np.mean(bounded.value**2, -1, keepdims=True))
        size = np.maximum(np.abs(bounded.value), row)
        units = _greatest(units, error / _place(size, found[name], unit))
        # Where the bound is zero, any error is beyond it.
        scaled = np.divide(
            error, bounded.error, out=np.where(error > 0, np.inf, error), where=bounded.error > 0)
        part = _greatest(part, scaled)
    return Agreement(units, part)


def _greatest(so_far: float, values: np.ndarray) -> float:
    return float(np.maximum(so_far, np.max(np.where(np.isnan(values), np.inf, values))))

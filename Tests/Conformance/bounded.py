"""Real numbers with a bound on what any Float32 evaluation of a formula may differ from them.

The bound holds for every order of summation, so that it judges a framework whose order nobody
specifies, and our kernels beside it: running error analysis with u = 2**-24 and
γ_k = k·u / (1 − k·u) (Higham, Accuracy and Stability of Numerical Algorithms, chapters 3 and 4). It is
written apart from the oracle of the tool, over the text of a kernel alone.
"""

from dataclasses import dataclass

import numpy as np

from arrays import PRECISION, Storage
from text import KernelText

U = 2.0**-24
# Half the least Float32: what an operation loses below the normal range.
LEAST = 2.0**-150
# What the evaluation of a bound in Float64 loses.
SLACK = 1 + 2.0**-40


def gamma(roundings: float) -> float:
    """γ of a number of roundings."""
    return roundings * U / (1 - roundings * U)


def nearest(values: np.ndarray, type_: Storage) -> np.ndarray:
    """Each value rounded once, to nearest even, to a storage type."""
    digits, least, greatest = PRECISION[type_]
    exponent = np.maximum(np.frexp(values)[1] - 1, least)
    unit = np.ldexp(1.0, exponent - (digits - 1))
    rounded = np.rint(values / unit) * unit
    return np.where(
        np.abs(rounded) >= 2.0 ** (greatest + 1), np.copysign(np.inf, rounded), rounded)


@dataclass(frozen=True)
class Bounded:
    """Values and the bounds on |evaluation − value|."""

    value: np.ndarray
    error: np.ndarray

    @staticmethod
    def exact(values) -> "Bounded":
        values = np.asarray(values, np.float64)
        return Bounded(values, np.zeros_like(values))

    @staticmethod
    def result(value: np.ndarray, spread: np.ndarray, roundings: float = 1) -> "Bounded":
        """The result of a Float32 operation whose operands' errors move it by `spread`."""
        reach = np.abs(value) + spread
        error = spread + gamma(roundings) * reach + roundings * LEAST + np.abs(value) * 2.0**-51
        return Bounded(value, error * SLACK)

    def __add__(self, other) -> "Bounded":
        other = lifted(other)
        return Bounded.result(self.value + other.value, self.error + other.error)

    def __neg__(self) -> "Bounded":
        return Bounded(-self.value, self.error)

    def __sub__(self, other) -> "Bounded":
        return self + (-lifted(other))

    def spread(self, other: "Bounded") -> np.ndarray:
        """How far the operands' errors move a product."""
        return (
            np.abs(self.value) * other.error + np.abs(other.value) * self.error
            + self.error * other.error)

    def __mul__(self, other) -> "Bounded":
        other = lifted(other)
        return Bounded.result(self.value * other.value, self.spread(other))

    def __truediv__(self, other) -> "Bounded":
        other = lifted(other)
        least = np.abs(other.value) - other.error
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = self.value / other.value
            spread = (self.error + np.abs(quotient) * other.error) / least
        # A divisor that may be zero bounds nothing.
        return Bounded.result(quotient, np.where(least > 0, spread, np.inf))

    def __rtruediv__(self, other) -> "Bounded":
        return lifted(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other) -> "Bounded":
        return lifted(other) - self


def lifted(value) -> Bounded:
    """A number of the text is a Float32."""
    return value if isinstance(value, Bounded) else Bounded.exact(np.float32(value))


def sqrt(x: Bounded) -> Bounded:
    root = np.sqrt(np.maximum(x.value, 0))
    # √v − √(v − e) is the larger of the two distances.
    least = np.sqrt(np.maximum(x.value - x.error, 0))
    return Bounded.result(root, root - least)


def fma(x, y, z) -> Bounded:
    x, y, z = lifted(x), lifted(y), lifted(z)
    return Bounded.result(x.value * y.value + z.value, x.spread(y) + z.error)


def maximum(x, y) -> Bounded:
    """The larger one moves no further than one of them."""
    x, y = lifted(x), lifted(y)
    return Bounded(np.maximum(x.value, y.value), np.maximum(x.error, y.error))


def rounding(type_: Storage):
    """The rounding to a storage type, of everything that an evaluation may hold."""

    def rounded(x: Bounded) -> Bounded:
        if type_ == "f32":
            return x
        middle = nearest(x.value, type_)
        low = nearest(x.value - x.error, type_)
        high = nearest(x.value + x.error, type_)
        return Bounded(middle, np.maximum(high - middle, middle - low))

    return rounded


def mean(x: Bounded) -> Bounded:
    """The mean of a row: n − 1 sums in any order, then a division or the product with 1/n."""
    count = x.value.shape[-1]
    magnitudes = (np.abs(x.value) + x.error).sum(-1, keepdims=True)
    spread = x.error.sum(-1, keepdims=True) + gamma(count - 1) * magnitudes
    value = x.value.sum(-1, keepdims=True) / count
    return Bounded.result(value, spread / count + magnitudes * count * 2.0**-53, roundings=2)


def one_pass_variance(x: Bounded) -> Bounded:
    """The variance of a row by updates of mean and squares, row by row or block by block.

    Its error is (n + 4)·u·κ with κ² = mean(x²)/variance (Chan, Golub and LeVeque, Algorithms for
    computing the sample variance, 1983), to first order; twice that stands for what is beyond.
    """
    count = x.value.shape[-1]
    centre = x.value.mean(-1, keepdims=True)
    variance = ((x.value - centre) ** 2).mean(-1, keepdims=True)
    square = (x.value**2).mean(-1, keepdims=True)
    shift = gamma(count) * np.abs(x.value).mean(-1, keepdims=True)
    spread = 2 * gamma(count + 4) * (np.sqrt(square * variance) + variance) + 2 * shift**2
    return Bounded.result(variance, spread)


FUNCTIONS = {
    "sqrt": sqrt, "fma": fma, "max": maximum, "mean": mean,
    "one_pass_variance": one_pass_variance,
    "f32": rounding("f32"), "bf16": rounding("bf16"), "f16": rounding("f16"),
}


def evaluate(kernel: KernelText, inputs: dict[str, np.ndarray]) -> dict[str, Bounded]:
    """The outputs of a kernel's text for rows of inputs, rounded to their storage types."""
    values = {name: Bounded.exact(array.astype(np.float64)) for name, array in inputs.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        for statement in kernel.statements:
            # The text form's expressions are Python's, too.
            code = compile(statement.expression, kernel.name, "eval")
            values[statement.name] = eval(code, {"__builtins__": {}}, {**FUNCTIONS, **values})
        return {
            output: rounding(type_)(values[output]) for output, type_ in kernel.outputs.items()}

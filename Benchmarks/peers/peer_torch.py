"""PyTorch: eager, and compiled by its own compiler."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as functional

from cases import EPSILON, Case
from problem import Arrays, Contender, Problem, repeated

VERSION = f"PyTorch {torch.__version__}"

Results = dict[str, torch.Tensor]


def start(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)


def shared(array: np.ndarray) -> torch.Tensor:
    """A tensor on the array's memory."""
    if array.dtype == np.dtype(ml_dtypes.bfloat16):
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def as_array(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16).copy()
    return tensor.numpy().copy()


class Layer(torch.nn.Module):
    """A case's operation with its weights as parameters, as a model has them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        case = problem.case
        self.operation = case.operation.peers
        self.rms_epsilon, self.layer_epsilon = EPSILON["rms_norm"], EPSILON["layer_norm"]
        for tensor in case.inputs:
            if not tensor.has_rows:
                values = shared(problem.inputs[tensor.name])
                # Linear layers keep [out, in].
                values = values.t().contiguous() if tensor.is_matrix else values
                parameter = torch.nn.Parameter(values, requires_grad=False)
                self.register_parameter(tensor.name, parameter)

    def rms_norm(self, x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, self.gain.shape, self.gain, self.rms_epsilon)

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> Results:
        match self.operation:
            case "rms_norm":
                return {"y": self.rms_norm(x)}
            case "layer_norm":
                shape = self.gain.shape
                return {
                    "y": functional.layer_norm(
                        x, shape, self.gain, self.shift, self.layer_epsilon)}
            case "add_rms_norm":
                hidden = x + residual
                return {"hidden": hidden, "normed": self.rms_norm(hidden)}
            case "matmul":
                return {"y": functional.linear(x, self.w)}
            case "linear_gelu_rms_norm":
                linear = functional.linear(x, self.w, self.bias)
                return {"y": self.rms_norm(functional.gelu(linear))}
            case "rms_norm_linear":
                return {"y": functional.linear(self.rms_norm(x), self.w)}
            case "gated":
                gate = functional.silu(functional.linear(x, self.gate))
                return {"y": gate * functional.linear(x, self.up)}
            case other:
                raise ValueError(f"PyTorch has no layer for the operation {other!r}")


def contenders(problem: Problem, threads: int) -> list[Contender]:
    case = problem.case
    torch._dynamo.reset()
    layer = Layer(problem).eval()
    rows = [shared(problem.inputs[tensor.name]) for tensor in case.inputs if tensor.has_rows]
    outputs = {name: shared(array) for name, array in problem.outputs.items()}

    def bound(outputs: Results, *rows: torch.Tensor) -> None:
        for name, value in layer(*rows).items():
            outputs[name].copy_(value)

    options = compile_options(case)
    compiled = torch.compile(layer, dynamic=False, options=options)
    compiled_bound = torch.compile(bound, dynamic=False, options=options)

    def results_bound() -> Arrays:
        for output in outputs.values():
            output.fill_(torch.nan)
        compiled_bound(outputs, *rows)
        return {name: as_array(output) for name, output in outputs.items()}

    return [
        _returning("PyTorch eager", layer, rows),
        _returning("torch.compile", compiled, rows),
        Contender(
            "torch.compile, outputs given", repeated(lambda: compiled_bound(outputs, *rows)),
            results_bound),
    ]


def compile_options(case: Case) -> dict[str, bool]:
    """Weights are constants, so that they can be packed; for matrix products templates compete."""
    is_matmul = case.operation.group == "matmuls"
    return {"freezing": True, "max_autotune": is_matmul}


def _returning(
    name: str, call: Callable[..., Results], rows: list[torch.Tensor]
) -> Contender:
    def results() -> Arrays:
        return {name: as_array(value) for name, value in call(*rows).items()}

    return Contender(name, repeated(lambda: call(*rows)), results)

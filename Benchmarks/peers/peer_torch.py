"""PyTorch: eager, and compiled by its own compiler."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as functional

import blocks
from cases import EPSILON
from problem import (
    Arrays, Contender, Problem, Role, RowsAs, Unsupported, cleared_value, repeated)

VERSION = f"PyTorch {torch.__version__}"

# The outputs of a case, in its order.
Results = tuple[torch.Tensor, ...]
Function = Callable[..., Results]


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


def function(operation: str, weights: dict[str, torch.Tensor]) -> Function:
    """The operation on tensors with rows, its weights at hand. Matrices are [out, in]."""
    gain, shift, bias = weights.get("gain"), weights.get("shift"), weights.get("bias")
    w, gate, up = weights.get("w"), weights.get("gate"), weights.get("up")
    shape = gain.shape if gain is not None else ()
    rms_epsilon, layer_epsilon = EPSILON["rms_norm"], EPSILON["layer_norm"]

    def rms_norm(x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, shape, gain, rms_epsilon)

    def add_rms_norm(x: torch.Tensor, residual: torch.Tensor) -> Results:
        hidden = x + residual
        return (hidden, functional.rms_norm(hidden, shape, gain, rms_epsilon))

    def rms_norm_i8(x: torch.Tensor) -> Results:
        y = rms_norm(x).float()
        scale = y.abs().amax(-1, keepdim=True) / 127
        return (torch.round(y / scale).clamp(-128, 127).to(torch.int8), scale)

    match operation:
        case "rms_norm":
            return lambda x: (functional.rms_norm(x, shape, gain, rms_epsilon),)
        case "layer_norm":
            return lambda x: (functional.layer_norm(x, shape, gain, shift, layer_epsilon),)
        case "add_rms_norm":
            return add_rms_norm
        case "rms_norm_i8":
            return rms_norm_i8
        case "matmul":
            return lambda x: (functional.linear(x, w),)
        case "linear_gelu_rms_norm":
            return lambda x: (rms_norm(functional.gelu(functional.linear(x, w, bias))),)
        case "rms_norm_linear":
            return lambda x: (functional.linear(rms_norm(x), w),)
        case "gated":
            return lambda x: (
                functional.silu(functional.linear(x, gate)) * functional.linear(x, up),)
        case other:
            raise ValueError(f"PyTorch has no function for the operation {other!r}")


class Layer(torch.nn.Module):
    """An operation with its weights as parameters, which the compiler can freeze and pack."""

    def __init__(self, operation: str, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.operation = operation
        self.names = list(weights)
        for name, tensor in weights.items():
            self.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))

    def forward(self, *rows: torch.Tensor) -> Results:
        weights = {name: getattr(self, name) for name in self.names}
        return function(self.operation, weights)(*rows)


def training(problem: Problem) -> list[Contender]:
    """The function and its gradients by autograd, eager and compiled."""
    operation = problem.case.operation.peers.removesuffix("_training")
    torch._dynamo.reset()
    tensors = {name: shared(array) for name, array in problem.inputs.items()}
    upstream = [tensor for name, tensor in tensors.items() if name.startswith("d_")]
    wanted = [name for name in problem.outputs if name.startswith("d_")]
    leaves = {name: tensors[name.removeprefix("d_")].requires_grad_() for name in wanted}
    weights = {name: tensors[name] for name in ["gain", "shift"] if name in tensors}
    rows = [tensors[name] for name in ["x", "residual"] if name in tensors]
    names = list(problem.outputs)

    def step(forward: Function) -> Results:
        with torch.enable_grad():
            outputs = forward(weights, *rows)
            gradients = torch.autograd.grad(outputs, list(leaves.values()), upstream)
        return (*[output.detach() for output in outputs], *gradients)

    def eager(weights: dict[str, torch.Tensor], *rows: torch.Tensor) -> Results:
        return function(operation, weights)(*rows)

    compiled = torch.compile(eager, dynamic=False)
    return [
        _returning("PyTorch eager", lambda: step(eager), [], names),
        _returning("torch.compile", lambda: step(compiled), [], names),
    ]


def contenders(problem: Problem, threads: int) -> list[Contender]:
    case = problem.case
    if case.operation.group == "gradients":
        return training(problem)
    if case.operation.group == "blocks":
        return block_products(problem)
    operation = case.operation.peers
    torch._dynamo.reset()
    weights: dict[str, torch.Tensor] = {}
    for tensor in case.inputs:
        if not tensor.has_rows:
            values = shared(problem.inputs[tensor.name])
            weights[tensor.name] = values.t().contiguous() if tensor.is_matrix else values
    rows = [shared(problem.inputs[tensor.name]) for tensor in case.inputs if tensor.has_rows]
    names = list(problem.outputs)
    given = tuple(shared(array) for array in problem.outputs.values())

    eager = function(operation, weights)
    # A function is called faster than a module; only products gain by frozen weights.
    is_product = case.operation.group == "matmuls"
    subject = Layer(operation, weights).eval() if is_product else eager
    options = {"freezing": True, "max_autotune": True} if is_product else {}

    def to_given(given: Results, *rows: torch.Tensor) -> None:
        for output, value in zip(given, subject(*rows)):
            output.copy_(value)

    compiled = torch.compile(subject, dynamic=False, options=options)
    compiled_to_given = torch.compile(to_given, dynamic=False, options=options)

    def results_given() -> Arrays:
        for output, array in zip(given, problem.outputs.values()):
            output.fill_(cleared_value(array))
        compiled_to_given(given, *rows)
        return named(names, given)

    return [
        _returning("PyTorch eager", eager, rows, names),
        _returning("torch.compile", compiled, rows, names),
        Contender(
            "torch.compile, outputs given", repeated(lambda: compiled_to_given(given, *rows)),
            results_given),
    ]


def block_products(problem: Problem) -> list[Contender]:
    """The product with weights in blocks, by the operators of quantized layers."""
    case = problem.case
    format = case.operation.blocks
    by_integers = case.operation.by_integers
    if format == "q4_0":
        if not by_integers:
            raise Unsupported(
                "its product with groups of 4 bits is made for bf16; Float32 rows take a plain"
                " loop, about 30 times as long")
        return [_four_bit_product(problem)]
    if format in ("q8_0", "i8") and by_integers:
        return [_dynamic_product(problem)]
    if format == "q8_0":
        raise Unsupported("its products with weights of 8 bits have one scale for an output")
    raise Unsupported("it has no product with scales of sub-blocks")


def _four_bit_product(problem: Problem) -> Contender:
    """Groups of 32 with scales in bf16, which rows and results have, too."""
    integers, scales = blocks.quants("q4_0", problem.inputs["w"])
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(
        torch.from_numpy(integers.astype(np.int32) + 8), 1)
    # [groups, out]: scales, and what is added to the centred quants.
    scale = torch.from_numpy(scales.astype(np.float32).T.copy())
    scales_and_zeros = torch.stack([scale, torch.zeros_like(scale)], -1).bfloat16()
    x = shared(problem.inputs["x"]).bfloat16()

    def call(x: torch.Tensor) -> Results:
        return (torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, 32, scales_and_zeros),)

    return _returning("PyTorch int4pack, bf16", call, [x], ["y"], rows_as="bf16")


def _dynamic_product(problem: Problem) -> Contender:
    """Rows as integers by one scale for all of them, weights by one scale for an output."""
    format = problem.case.operation.blocks
    values = blocks.values(format, problem.inputs["w"]).value.astype(np.float32)
    weights = torch.from_numpy(values)
    scales = weights.abs().amax(-1) / 127
    if format == "i8":
        scales = torch.from_numpy(blocks.quants("i8", problem.inputs["w"])[1][:, 0])
    quantized = torch.quantize_per_channel(
        weights, scales, torch.zeros(len(scales), dtype=torch.int64), 0, torch.qint8)
    layer = torch.ao.nn.quantized.dynamic.Linear(
        problem.case.inner, problem.case.columns, bias_=False)
    layer.set_weight_bias(quantized, None)

    def call(x: torch.Tensor) -> Results:
        return (layer(x),)

    rows = [shared(problem.inputs["x"])]
    if format == "i8":
        return _returning("PyTorch dynamic int8", call, rows, ["y"], rows_as="i8 by row")
    return _returning(
        "PyTorch dynamic int8, w by output", call, rows, ["y"], "lesser", "i8 by row")


def named(names: list[str], values: Results) -> Arrays:
    return {name: as_array(value) for name, value in zip(names, values)}


def _returning(
    name: str, call: Function, rows: list[torch.Tensor], names: list[str],
    role: Role = "peer", rows_as: RowsAs = "f32",
) -> Contender:
    return Contender(
        name, repeated(lambda: call(*rows)), lambda: named(names, call(*rows)), role, rows_as)

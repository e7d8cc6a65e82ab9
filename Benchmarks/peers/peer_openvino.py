"""OpenVINO: constant weights, which it packs, and tensors that stay set."""

import numpy as np
import openvino
from openvino import opset13 as operators

import blocks
from cases import EPSILON
from problem import DTYPES, Arrays, Contender, Problem, RowsAs, Unsupported, repeated

VERSION = f"OpenVINO {openvino.__version__.split('-')[0]}"

ELEMENTS = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16}

Node = openvino.Output

CORE = openvino.Core()


def start(threads: int) -> None:
    """Threads are an option of each compiled model."""


def rms_norm(x: Node, gain: Node) -> Node:
    """The form that OpenVINO recognizes and replaces by one operation."""
    square = operators.power(x, constant(2))
    mean = operators.reduce_mean(square, operators.constant(np.array([-1])), keep_dims=True)
    root = operators.sqrt(operators.add(mean, constant(EPSILON["rms_norm"])))
    normed = operators.multiply(x, operators.divide(constant(1), root))
    return operators.multiply(normed, gain)


def layer_norm(x: Node, gain: Node, shift: Node) -> Node:
    axes = operators.constant(np.array([-1]))
    normed = operators.mvn(x, axes, True, EPSILON["layer_norm"], "inside_sqrt")
    return operators.add(operators.multiply(normed, gain), shift)


def constant(value: float) -> Node:
    return operators.constant(np.float32(value))


def evaluate(operation: str, values: dict[str, Node]) -> dict[str, Node]:
    x = values["x"]

    def linear(x: Node, matrix: str) -> Node:
        return operators.matmul(x, values[matrix], False, True)

    match operation:
        case "rms_norm":
            return {"y": rms_norm(x, values["gain"])}
        case "layer_norm":
            return {"y": layer_norm(x, values["gain"], values["shift"])}
        case "add_rms_norm":
            hidden = operators.add(x, values["residual"])
            return {"hidden": hidden, "normed": rms_norm(hidden, values["gain"])}
        case "rms_norm_i8":
            raise Unsupported("no operation quantizes rows by scales of their own")
        case "matmul":
            return {"y": linear(x, "w")}
        case "linear_gelu_rms_norm":
            activated = operators.gelu(operators.add(linear(x, "w"), values["bias"]), "erf")
            return {"y": rms_norm(activated, values["gain"])}
        case "rms_norm_linear":
            return {"y": linear(rms_norm(x, values["gain"]), "w")}
        case "gated":
            gate = operators.swish(linear(x, "gate"))
            return {"y": operators.multiply(gate, linear(x, "up"))}
        case other:
            raise ValueError(f"OpenVINO has no graph for the operation {other!r}")


def contenders(problem: Problem, threads: int) -> list[Contender]:
    case = problem.case
    if case.operation.group == "gradients":
        raise Unsupported("it has no gradients of norms")
    if case.operation.group == "blocks":
        return block_products(problem, threads)
    element = ELEMENTS[case.storage]
    parameters: list[Node] = []
    values: dict[str, Node] = {}
    # Constants lie on the memory of arrays, which OpenVINO does not keep.
    held: list[np.ndarray] = []
    for tensor in case.inputs:
        array = problem.inputs[tensor.name]
        if tensor.has_rows:
            parameters.append(operators.parameter(list(tensor.shape), element))
            values[tensor.name] = widened(parameters[-1], case.storage)
        else:
            # Linear layers keep [out, in].
            array = np.ascontiguousarray(array.T) if tensor.is_matrix else array
            held.append(array)
            weights = operators.constant(shared(array, element))
            values[tensor.name] = widened(weights, case.storage)
    outputs = evaluate(case.operation.peers, values)
    stored = [narrowed(outputs[name], case.storage) for name in problem.outputs]
    return [_contender(problem, threads, "OpenVINO", stored, parameters, held)]


def row_options(inner: int) -> dict[RowsAs, dict[str, str | int]]:
    """How the product may take the rows; a group of 0 is none."""
    return {
        "f32": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0},
        "bf16": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "INFERENCE_PRECISION_HINT": "bf16"},
        "i8 by 32": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 32},
        "i8 by row": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": inner},
    }


def block_products(problem: Problem, threads: int) -> list[Contender]:
    """The product with weights in blocks, as integers that the graph converts and scales."""
    case = problem.case
    format = case.operation.blocks
    if format not in ("q4_0", "q8_0", "i8"):
        raise Unsupported(
            "compressed weights have one scale for a group, and no scales of sub-blocks")
    integers, scales = blocks.quants(format, problem.inputs["w"])
    shape = [case.columns, case.inner // 32, 32]
    if format == "i8":
        shape = [case.columns, case.inner]
        scales = scales[:, 0]
    if format == "q4_0":
        unsigned = (integers + 8).astype(np.uint8)
        data = unsigned[:, ::2] | unsigned[:, 1::2] << 4
        stored = operators.constant(openvino.Tensor(data, shape, openvino.Type.u4))
        zero = operators.constant(
            openvino.Tensor(np.array([8], np.uint8), [1], openvino.Type.u4))
        centred = operators.subtract(
            operators.convert(stored, "f32"), operators.convert(zero, "f32"))
    else:
        data = integers
        stored = operators.constant(openvino.Tensor(data, shape, openvino.Type.i8))
        centred = operators.convert(stored, "f32")
    scale = operators.constant(scales[..., None].astype(np.float32))
    w = operators.multiply(centred, scale)
    if len(shape) > 2:
        extents = operators.constant(np.array([case.columns, case.inner]))
        w = operators.reshape(w, extents, False)
    x = operators.parameter([case.rows, case.inner], openvino.Type.f32)
    y = operators.matmul(x, w, False, True)
    return [
        _contender(
            problem, threads, f"OpenVINO, {rows_as}", [y], [x], [data], rows_as, own_options)
        for rows_as, own_options in row_options(case.inner).items()
        if rows_as == "f32" or case.operation.by_integers
        # Groups of rows are those of weights.
        and (rows_as == "bf16" or rows_as.endswith("row") == (format == "i8"))
    ]


def _contender(
    problem: Problem, threads: int, name: str, outputs: list[Node], parameters: list[Node],
    held: list[np.ndarray], rows_as: RowsAs = "f32", own_options: dict[str, str | int] = {},
) -> Contender:
    """A graph whose constants lie on the memory of `held`."""
    case = problem.case
    element = ELEMENTS[case.storage]
    model = openvino.Model(outputs, parameters, case.kernel)
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": case.storage,
        "ENABLE_CPU_PINNING": False,
    } | own_options
    request = CORE.compile_model(model, "CPU", options).create_infer_request()
    rows = [problem.inputs[tensor.name] for tensor in case.inputs if tensor.has_rows]
    for index, array in enumerate(rows):
        request.set_input_tensor(index, shared(array, element))
    for index, array in enumerate(problem.outputs.values()):
        request.set_output_tensor(index, shared(array, element))

    def call(held: list[np.ndarray] = held) -> None:
        request.infer(share_outputs=True)

    def results() -> Arrays:
        for array in problem.outputs.values():
            array.fill(np.nan)
        call()
        return {name: array.copy() for name, array in problem.outputs.items()}

    return Contender(name, repeated(call), results, rows_as=rows_as)


def widened(value: Node, storage: str) -> Node:
    """As in a model of Float32 whose tensors are kept in bf16; OpenVINO chooses the arithmetic."""
    return value if storage == "f32" else operators.convert(value, "f32")


def narrowed(value: Node, storage: str) -> Node:
    return value if storage == "f32" else operators.convert(value, "bf16")


def shared(array: np.ndarray, element: openvino.Type) -> openvino.Tensor:
    """A tensor on the array's memory."""
    if array.dtype == DTYPES["bf16"]:
        array = array.view(np.uint16)
    return openvino.Tensor(array, list(array.shape), element)

"""ONNX Runtime: constant weights, which it packs, and bound inputs and outputs."""

import numpy as np
import onnx
from onnx import TensorProto, helper
import onnxruntime

import blocks
from cases import EPSILON, Case, Storage
from problem import Arrays, Contender, Problem, RowsAs, Unsupported, repeated

VERSION = f"ONNX Runtime {onnxruntime.__version__}"

ELEMENTS = {"f32": TensorProto.FLOAT, "bf16": TensorProto.BFLOAT16}

# The operators with kernels of their own live in these sets.
OPERATOR_SETS = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]


def start(threads: int) -> None:
    onnxruntime.disable_telemetry_events()


def nodes(operation: str, storage: Storage) -> list[onnx.NodeProto]:
    """The operation in the operators that are fastest in ONNX Runtime."""

    def rms_norm(x: str, y: str) -> onnx.NodeProto:
        return helper.make_node(
            "SimplifiedLayerNormalization", [x, "gain"], [y], axis=-1,
            epsilon=EPSILON["rms_norm"])

    match operation:
        case "rms_norm":
            return [rms_norm("x", "y")]
        case "layer_norm":
            return [
                helper.make_node(
                    "LayerNormalization", ["x", "gain", "shift"], ["y"], axis=-1,
                    epsilon=EPSILON["layer_norm"])]
        case "add_rms_norm" if storage == "f32":
            # More than twice as fast at 32×4096 as the fused operator, SkipSimplifiedLayerNormalization.
            return [helper.make_node("Add", ["x", "residual"], ["hidden"]),
                    rms_norm("hidden", "normed")]
        case "add_rms_norm":
            return [
                helper.make_node(
                    "SkipSimplifiedLayerNormalization", ["x", "residual", "gain"],
                    ["normed", "", "", "hidden"], domain="com.microsoft",
                    epsilon=EPSILON["rms_norm"])]
        case "rms_norm_i8":
            raise Unsupported("DynamicQuantizeLinear has one scale for the tensor, not one for each row")
        case "matmul":
            return [helper.make_node("MatMul", ["x", "w"], ["y"])]
        case "linear_gelu_rms_norm":
            return [
                helper.make_node("MatMul", ["x", "w"], ["product"]),
                helper.make_node("BiasGelu", ["product", "bias"], ["activated"],
                                 domain="com.microsoft"),
                rms_norm("activated", "y"),
            ]
        case "rms_norm_linear":
            return [rms_norm("x", "normed"), helper.make_node("MatMul", ["normed", "w"], ["y"])]
        case "gated":
            return [
                helper.make_node("MatMul", ["x", "gate"], ["gate_product"]),
                helper.make_node("MatMul", ["x", "up"], ["up_product"]),
                helper.make_node("QuickGelu", ["gate_product"], ["activated"],
                                 domain="com.microsoft", alpha=1.0),
                helper.make_node("Mul", ["activated", "up_product"], ["y"]),
            ]
        case other:
            raise ValueError(f"ONNX Runtime has no graph for the operation {other!r}")


# The operator's accuracy levels: how it may take the rows.
ACCURACY_LEVELS: dict[RowsAs, int] = {"f32": 0, "i8 by 32": 4}


def block_product(
    problem: Problem, accuracy_level: int
) -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    """The product with weights in blocks, and the weights as the operator wants them."""
    case = problem.case
    format = case.operation.blocks
    if format == "i8":
        raise Unsupported(
            "MatMulNBits has blocks of at most 256, and dynamic quantization one scale for all rows")
    if format not in ("q4_0", "q8_0"):
        raise Unsupported(
            "MatMulNBits has one scale for a block, and no scales of sub-blocks or minima")
    bits = 4 if format == "q4_0" else 8
    integers, scales = blocks.quants(format, problem.inputs["w"])
    # The zero point where none is given is the middle.
    unsigned = (integers.astype(np.int16) + (1 << bits - 1)).astype(np.uint8)
    data = unsigned[:, ::2] | unsigned[:, 1::2] << 4 if bits == 4 else unsigned
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft", K=case.inner,
        N=case.columns, bits=bits, block_size=32, accuracy_level=accuracy_level)
    shape = (case.columns, case.inner // 32, 32 * bits // 8)
    return node, [
        helper.make_tensor("w", TensorProto.UINT8, shape, data.tobytes(), raw=True),
        helper.make_tensor(
            "scales", TensorProto.FLOAT, [scales.size], scales.astype(np.float32).tobytes(),
            raw=True),
    ]


def contenders(problem: Problem, threads: int) -> list[Contender]:
    case = problem.case
    if case.operation.group == "gradients":
        raise Unsupported("it has no gradients of norms")
    if case.operation.group == "blocks":
        found = []
        for rows_as, level in ACCURACY_LEVELS.items():
            if rows_as == "f32" or case.operation.by_integers:
                node, weights = block_product(problem, level)
                name = f"ONNX Runtime, {rows_as}"
                found.append(_contender(problem, threads, name, [node], weights, rows_as))
        return found
    weights = [
        helper.make_tensor(
            t.name, ELEMENTS[case.storage], t.shape, problem.inputs[t.name].tobytes(), raw=True)
        for t in case.inputs if not t.has_rows
    ]
    steps = nodes(case.operation.peers, case.storage)
    return [_contender(problem, threads, "ONNX Runtime", steps, weights, "f32")]


def _contender(
    problem: Problem, threads: int, name: str, steps: list[onnx.NodeProto],
    weights: list[onnx.TensorProto], rows_as: RowsAs,
) -> Contender:
    """A graph with constant weights."""
    case = problem.case
    element = ELEMENTS[case.storage]
    graph = helper.make_graph(
        steps,
        case.kernel,
        [helper.make_tensor_value_info(t.name, element, t.shape) for t in case.inputs if t.has_rows],
        [helper.make_tensor_value_info(t.name, element, t.shape) for t in case.outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=OPERATOR_SETS)
    model.ir_version = 10
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        raise Unsupported(str(error)) from error

    binding = session.io_binding()
    held = []
    for tensor in case.inputs:
        if tensor.has_rows:
            held.append(shared(problem.inputs[tensor.name], element))
            binding.bind_ortvalue_input(tensor.name, held[-1])
    for output, array in problem.outputs.items():
        held.append(shared(array, element))
        binding.bind_ortvalue_output(output, held[-1])

    def call() -> None:
        session.run_with_iobinding(binding)

    def results() -> Arrays:
        for array in problem.outputs.values():
            array.fill(np.nan)
        call()
        return {name: array.copy() for name, array in problem.outputs.items()}

    return Contender(name, repeated(call), results, rows_as=rows_as)


def shared(array: np.ndarray, element: int) -> onnxruntime.OrtValue:
    """A value on the array's memory."""
    if element == TensorProto.BFLOAT16:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, element)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)

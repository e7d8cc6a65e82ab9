"""ONNX Runtime: constant weights, which it packs, and bound inputs and outputs."""

import numpy as np
import onnx
from onnx import TensorProto, helper
import onnxruntime

from cases import EPSILON, Storage
from problem import Arrays, Contender, Problem, Unsupported, repeated

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


def contenders(problem: Problem, threads: int) -> list[Contender]:
    case = problem.case
    if case.operation.group == "gradients":
        raise Unsupported("it has no gradients of norms")
    element = ELEMENTS[case.storage]
    graph = helper.make_graph(
        nodes(case.operation.peers, case.storage),
        case.kernel,
        [helper.make_tensor_value_info(t.name, element, t.shape) for t in case.inputs if t.has_rows],
        [helper.make_tensor_value_info(t.name, element, t.shape) for t in case.outputs],
        [
            helper.make_tensor(
                t.name, element, t.shape, problem.inputs[t.name].tobytes(), raw=True)
            for t in case.inputs if not t.has_rows
        ],
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
    for name, array in problem.outputs.items():
        held.append(shared(array, element))
        binding.bind_ortvalue_output(name, held[-1])

    def call() -> None:
        session.run_with_iobinding(binding)

    def results() -> Arrays:
        for array in problem.outputs.values():
            array.fill(np.nan)
        call()
        return {name: array.copy() for name, array in problem.outputs.items()}

    return [Contender("ONNX Runtime", repeated(call), results)]


def shared(array: np.ndarray, element: int) -> onnxruntime.OrtValue:
    """A value on the array's memory."""
    if element == TensorProto.BFLOAT16:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, element)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)

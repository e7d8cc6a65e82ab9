"""RMSNormalization-23 and LayerNormalization-17 as ONNX's reference evaluator computes them.

There are three readings of each operator in the package. They differ in bits:

- The **operator**: the evaluator's own code. It works in the input's type whatever `stash_type` is,
  and multiplies RMSNormalization's input by the reciprocal of the root.
- The **function**: the body that the schema gives for the operator. It honours `stash_type`, and
  divides by the root. Its variance is mean(x²) − mean(x)².
- The **text** of LayerNormalization's schema: casts, mean of squared deviations, product with the
  reciprocal. It is run as a graph of operators.
"""

import numpy as np
import onnx
from onnx import helper, inliner
from onnx.reference import ReferenceEvaluator

from arrays import TYPES, Storage, parameter, rows_of, storage
from case import Case

ELEMENTS = {
    "f32": onnx.TensorProto.FLOAT, "bf16": onnx.TensorProto.BFLOAT16,
    "f16": onnx.TensorProto.FLOAT16}
FLOAT = onnx.TensorProto.FLOAT

# Shapes, axes, epsilons: rows of one axis and of several.
SHAPES = [((16, 64), -1, 1e-5), ((2, 8, 300), 2, 0.8765), ((4, 4, 5, 60), 2, 1e-5),
          ((16, 10, 10, 10), 1, 1e-6), ((16, 30), 0, 1e-5)]


def model(nodes: list, inputs: dict[str, np.ndarray], outputs: list[str], opset: int):
    graph = helper.make_graph(
        nodes, "norm",
        [helper.make_tensor_value_info(name, ELEMENTS[storage(array)], None)
         for name, array in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def evaluate(proto, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every value of a graph by its name, without the number that inlining adds."""
    # The evaluator's own code overflows where it computes in f16.
    with np.errstate(over="ignore", invalid="ignore"):
        values = ReferenceEvaluator(proto).run(None, inputs, intermediate=True)
    return {name.removesuffix("__1"): value for name, value in values.items() if name}


def cases(seed: int) -> list[Case]:
    generator = np.random.default_rng(seed)
    found: list[Case] = []
    for type_ in TYPES:
        for shape, axis, epsilon in SHAPES:
            split = axis if axis >= 0 else len(shape) + axis
            extent = int(np.prod(shape[split:]))
            rows = int(np.prod(shape[:split]))
            x = rows_of(generator, extent, type_)[:rows].reshape(shape)
            gain = parameter(generator, extent, type_, 1.0).reshape(shape[split:])
            shift = parameter(generator, extent, type_, 0.0).reshape(shape[split:])
            found += rms_norms(x, gain, axis, epsilon)
            for bias in [None, shift]:
                found += layer_norms(x, gain, bias, axis, epsilon)
    return found


def case(
    title: str, norm: str, values: dict[str, np.ndarray], axis: int, epsilon: float,
    statistics: dict[str, np.ndarray], **choices
) -> Case:
    """The case of values that have several axes, as rows."""
    x = values["X"]
    extent = int(np.prod(x.shape[axis:] if axis >= 0 else x.shape[len(x.shape) + axis:]))
    inputs = {"x": x.reshape(-1, extent), "gain": values["S"].reshape(extent)}
    if "B" in values:
        inputs["shift"] = values["B"].reshape(extent)
    columns = {
        name: np.asarray(value, np.float32).reshape(-1, 1)
        for name, value in statistics.items()}
    return Case(
        title, norm, "onnx", epsilon, inputs, values["Y"].reshape(-1, extent), columns, **choices)


def rms_norms(x: np.ndarray, gain: np.ndarray, axis: int, epsilon: float) -> list[Case]:
    inputs = {"X": x, "S": gain}
    node = helper.make_node(
        "RMSNormalization", ["X", "S"], ["Y"], axis=axis, epsilon=epsilon, stash_type=1)
    proto = model([node], inputs, ["Y"], 23)
    own = evaluate(proto, inputs)
    body = evaluate(inlined(proto, "RMSNormalization"), inputs)
    found = [case(
        "ONNX `RMSNormalization`, function", "rms_norm", {**inputs, "Y": body["Y"]}, axis, epsilon,
        {"mean_square": body["XSquaredMean"]})]
    axes = tuple(range(axis % x.ndim, x.ndim))
    if storage(x) == "f32":
        found.append(case(
            "ONNX `RMSNormalization`, operator", "rms_norm", {**inputs, "Y": own["Y"]}, axis,
            epsilon, {"mean_square": np.mean(np.power(x, 2), axis=axes, keepdims=True)},
            form=f"""
              mean_square = mean(x * x)
              inv_rms = 1.0 / sqrt(mean_square + {np.float32(epsilon)!s})
              y = x * inv_rms * gain
              """,
            preset_differs="multiplies by the reciprocal"))
    else:
        found.append(case(
            "ONNX `RMSNormalization`, operator", "rms_norm", {**inputs, "Y": own["Y"]}, axis,
            epsilon, {"mean_square": body["XSquaredMean"]}, specified=False,
            note="ignores stash_type"))
    return found


def inlined(proto, operator: str):
    return inliner.inline_selected_functions(
        proto, [("", operator)], exclude=False, inline_schema_functions=True)


def layer_norms(
    x: np.ndarray, gain: np.ndarray, shift: np.ndarray | None, axis: int, epsilon: float
) -> list[Case]:
    type_ = storage(x)
    inputs = {"X": x, "S": gain} | ({} if shift is None else {"B": shift})
    outputs = ["Y", "Mean", "InvStdDev"]
    node = helper.make_node(
        "LayerNormalization", list(inputs), outputs, axis=axis, epsilon=epsilon, stash_type=1)
    proto = model([node], inputs, outputs, 18)
    body = evaluate(inlined(proto, "LayerNormalization"), inputs)
    result = layer_norm_result(type_, shift is not None)
    found = [case(
        "ONNX `LayerNormalization`, function", "layer_norm", {**inputs, "Y": body["Y"]}, axis,
        epsilon, {"mean_x": body["Mean2D"], "variance": body["Var"]},
        form=f"""
          mean_x = mean(x)
          variance = mean(x * x) - mean_x * mean_x
          deviation = sqrt(variance + {np.float32(epsilon)!s})
          normalized = {type_}((x - mean_x) / deviation)
          {result}
          """,
        preset_differs="divides by the root, where the schema's text multiplies"),
    ]
    # The text of the schema: the first stage in Float32, the second in the input's type.
    stages = [
        helper.make_node("Cast", ["X"], ["XU"], to=FLOAT),
        helper.make_node(
            "LayerNormalization", ["XU", "Ones"], ["N", "Mean", "InvStdDev"], axis=axis,
            epsilon=epsilon),
        helper.make_node("Cast", ["N"], ["NT"], to=ELEMENTS[type_]),
        helper.make_node("Mul", ["NT", "S"], ["Scaled"]),
        helper.make_node("Identity", ["Scaled"], ["Y"]) if shift is None
        else helper.make_node("Add", ["Scaled", "B"], ["Y"]),
    ]
    ones = {**inputs, "Ones": np.ones(gain.shape, np.float32)}
    text = evaluate(model(stages, ones, ["Y"], 18), ones)
    statistics = {"mean_x": text["Mean"], "inv_deviation": text["InvStdDev"]}
    found.append(case(
        "ONNX `LayerNormalization`, text", "layer_norm", {**inputs, "Y": text["Y"]}, axis,
        epsilon, statistics))
    own = evaluate(proto, inputs)
    if type_ == "f32":
        statistics = {"mean_x": own["Mean"], "inv_deviation": own["InvStdDev"]}
    found.append(case(
        "ONNX `LayerNormalization`, operator", "layer_norm", {**inputs, "Y": own["Y"]}, axis,
        epsilon, statistics, specified=type_ == "f32",
        note="" if type_ == "f32" else "ignores stash_type"))
    return found


def layer_norm_result(type_: Storage, has_shift: bool) -> str:
    """The second stage, in the input's type."""
    product = f"{type_}(normalized * gain)"
    return f"y = {type_}({product} + shift)" if has_shift else f"y = {product}"

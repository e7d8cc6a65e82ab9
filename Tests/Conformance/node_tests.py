"""ONNX's backend node tests of both operators, with the outputs that the package stores.

The package makes them when its modules are imported. `expanded` tests are the operator's function,
with the inputs and outputs of the operator's own test.
"""

from dataclasses import dataclass

import numpy as np
from onnx.backend.test.case import node as node_cases
from onnx.backend.test.case.node import layernormalization, rmsnormalization  # noqa: F401

from arrays import equal_bits, storage
from bounded import evaluate
from case import float_text
from judge import ratio
from own import Library, Tool

NORMS = {"LayerNormalization": "layer_norm", "RMSNormalization": "rms_norm"}
STATISTICS = ["row_mean", "inv_deviation"]


@dataclass
class NodeTest:
    """One test: its kernel, and tensors as rows."""

    name: str
    operator: str
    text: str
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    # The comparison that the suite itself makes.
    rtol: float
    atol: float


def cases(seed: int) -> list[NodeTest]:
    """All tests; the seed is that of the package."""
    del seed
    operators = {
        test.name: test.model.graph.node[0]
        for test in node_cases._NodeTestCases if "expanded" not in test.name}
    return [
        node_test(test, operators[test.name.split("_expanded")[0]])
        for test in node_cases._NodeTestCases]


def node_test(test, node) -> NodeTest:
    attributes = {one.name: one for one in node.attribute}
    axis = attributes["axis"].i if "axis" in attributes else -1
    epsilon = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
    [(tensors, results)] = test.data_sets
    x = tensors[0]
    extent = int(np.prod(x.shape[axis % x.ndim:]))
    inputs = dict(zip(
        ["x", "gain", "shift"],
        [x.reshape(-1, extent), *[one.reshape(extent) for one in tensors[1:]]]))
    rows = x.size // extent
    outputs = dict(zip(["y", *STATISTICS], [one.reshape(rows, -1) for one in results]))
    norm = NORMS[node.op_type]
    declared = ", ".join(
        f"{name}: {storage(array)}[{'rows, ' if name == 'x' else ''}{extent}]"
        for name, array in inputs.items())
    parameters = "".join(f", {name}: {name}" for name in inputs if name != "x")
    choices = f"epsilon: {float_text(epsilon)}"
    lines = [f"y = {norm}(x{parameters}, {choices}, semantics: onnx)"]
    if len(outputs) > 1:
        lines.append("row_mean = mean(x)")
        lines.append(f"inv_deviation = {norm}_inverse(x, {choices})")
    body = "\n  ".join(lines)
    text = f"kernel {test.name}({declared}) {{\n  {body}\n}} -> {', '.join(outputs)}\n"
    return NodeTest(test.name, node.op_type, text, inputs, outputs, test.rtol, test.atol)


@dataclass
class NodeVerdict:
    """The figures of all tests of an operator."""

    tests: int = 0
    passed: int = 0
    data_sets: int = 0
    elements: int = 0
    exact: int = 0
    own_ratio: float = 0.0
    stored_ratio: float = 0.0


def verdicts(tool: Tool, tests: list[NodeTest]) -> tuple[dict[str, NodeVerdict], list[str]]:
    """Each test's outputs from a kernel of its own, and the tests that fail."""
    text = "\n".join(test.text for test in tests)
    graphs = tool.graphs(tool.file("onnx-nodes.ng", text))
    library = Library(tool, "onnx-nodes-kernels", graphs, text)
    found = {operator: NodeVerdict() for operator in NORMS}
    failures: list[str] = []
    for test in tests:
        verdict = found[test.operator]
        verdict.tests += 1
        verdict.data_sets += "expanded" not in test.name
        outputs = library(test.name, test.inputs)
        types = graphs[test.name].outputs
        references = tool.references(test.name, test.text, types, test.inputs)
        bounds = evaluate(graphs[test.name], test.inputs)
        missed = []
        for name, own in outputs.items():
            stored = test.outputs[name]
            value, bound, bits = references[name]
            own_ratio = ratio(own, value, bound)
            stored_ratio = ratio(stored, bounds[name].value, bounds[name].error)
            verdict.own_ratio = max(verdict.own_ratio, own_ratio)
            verdict.stored_ratio = max(verdict.stored_ratio, stored_ratio)
            verdict.elements += own.size
            verdict.exact += int((own == stored).sum())
            if not equal_bits(own, bits).all():
                missed.append(f"{name}: other bits than the exact interpreter's")
            if own_ratio > 1:
                missed.append(f"{name}: our error is {own_ratio} of the oracle's bound")
            if stored_ratio > 1:
                missed.append(f"{name}: the stored error is {stored_ratio} of its bound")
            if not np.allclose(own, stored, rtol=test.rtol, atol=test.atol):
                missed.append(f"{name}: outside the suite's own rtol and atol")
        verdict.passed += not missed
        failures += [f"{test.name}: {what}" for what in missed]
    return found, failures

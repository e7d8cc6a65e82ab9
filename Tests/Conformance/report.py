"""The Markdown of what was found."""

from dataclasses import dataclass, field
import importlib.metadata

from case import Case
from judge import Verdict
from node_tests import NodeVerdict

PACKAGES = ["torch", "transformers", "onnx", "numpy"]


@dataclass
class Row:
    """Cases of one preset, framework and combination of types, together."""

    norm: str
    preset: str
    framework: str
    types: str
    parameters: str
    remark: str
    specified: bool
    cases: int = 0
    verdict: Verdict = field(default_factory=Verdict)

    @staticmethod
    def of(case: Case) -> "Row":
        parameters = ", ".join(name for name in case.inputs if name != "x")
        remark = case.preset_differs or case.note
        return Row(
            case.norm, case.preset, case.framework, case.types, parameters, remark,
            case.specified)

    @staticmethod
    def key(case: Case) -> tuple:
        # Parameters stand in one row where they make no difference to what is asked.
        return (case.preset, case.framework, case.types, case.preset_differs, case.note)

    def cells(self) -> list[str]:
        verdict = self.verdict
        form = share(verdict.exact_form, verdict.elements) if verdict.has_form else "–"
        framework = "–" if verdict.framework_ratio is None else figure(verdict.framework_ratio)
        if verdict.unbounded:
            framework += f", {verdict.unbounded} without"
        return [
            self.types, str(verdict.elements), share(verdict.exact_given, verdict.elements), form,
            share(verdict.exact, verdict.elements), figure(verdict.worst_ulps),
            figure(verdict.own_ratio), framework, self.remark]


def figure(value: float) -> str:
    return f"{value:.3g}"


def share(part: int, whole: int) -> str:
    """All, or how many differ."""
    return "all" if part == whole else f"all but {whole - part}"


def table(heads: list[str], rows: list[list[str]], left: set[int]) -> list[str]:
    rule = ["---" if index in left else "--:" for index in range(len(heads))]
    return [f"| {' | '.join(cells)} |" for cells in [heads, rule, *rows]]


HEADS = [
    "types", "elements", "given: preset", "given: formula", "complete", "ulps", "ours / bound",
    "theirs / bound", "remark"]

INTRODUCTION = """\
# Presets beside the frameworks

Written by `make conformance`; `README.md` says what is asked. {versions}; kernels for {build};
seed {seed}. {verdict}

- **types**: of x, of gain and shift, and of the result where it differs from x.
- **given: preset**: elements of the preset's kernel that have the framework's bits, given the
  framework's statistic. It must be all, unless the remark says why the framework's formula is
  another one.
- **given: formula**: the same for a kernel of the framework's own formula, where that is another one
  or its statistic is; it must be all.
- **complete**: elements of the complete kernel, whose sums have our order, with the framework's bits.
- **ulps**: the greatest difference of the complete kernel and the framework, in units in the last
  place of the result's type (those of 1 for smaller elements, whose errors are those of what
  cancelled).
- **ours / bound**: our greatest error as a part of the oracle's derived bound; at most 1.
- **theirs / bound**: the framework's greatest error as a part of the bound of its formula for any
  order of summation; at most 1. A bound of a half type is often exactly one rounding: the ratio of an
  element that is rounded the other way is 1. "Without" counts elements whose bound is infinite: the
  variance mean(x²) − mean(x)² of ONNX's function may lose all digits, and nothing is claimed there.
  "–": what the framework does is not what its documents say, and is only reported.
"""


def markdown(
    rows: list[Row], nodes: dict[str, NodeVerdict], seed: int, build: str, failures: int
) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    verdict = "Everything holds." if failures == 0 else f"**{failures} failures.**"
    lines = INTRODUCTION.format(
        versions=versions, build=build, seed=seed, verdict=verdict).splitlines()
    last = None
    for row in sorted(rows, key=lambda row: (row.norm != "rms_norm", row.preset)):
        heading = f"## `{row.norm}`, preset `{row.preset}`: {row.framework}"
        if heading != last:
            members = [other for other in rows if (other.norm, other.preset, other.framework) ==
                       (row.norm, row.preset, row.framework)]
            lines += ["", heading, ""]
            lines += table(HEADS, [member.cells() for member in members], left={0, 8})
            last = heading
    lines += ["", "## ONNX's backend node tests", "",
              "Each runs a kernel generated for its shape and axis, with all outputs of the operator.",
              "Passed: ours within the oracle's bound, the stored output within the bound of its",
              "formula for any order, and both equal by the suite's own comparison. Data sets: tests",
              "named `expanded` have the tensors of the operator's own test. All are f32, and those of",
              "LayerNormalization have a bias; f16, bf16 and no bias are in the tables above.", ""]
    heads = ["operator", "tests", "passed", "data sets", "elements", "same bits", "ours / bound",
             "stored / bound"]
    lines += table(heads, [
        [operator, str(found.tests), str(found.passed), str(found.data_sets),
         str(found.elements), str(found.exact), figure(found.own_ratio),
         figure(found.stored_ratio)]
        for operator, found in nodes.items()], left={0})
    return "\n".join(lines) + "\n"

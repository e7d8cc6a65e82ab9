"""What is asked of our kernels beside a framework's norm, and the figures of it.

1. Given the framework's statistic, which enters the kernel as an input, the rest of the formula gives
   the framework's bits.
2. The complete kernel, whose sums have our order, has the exact interpreter's bits and lies within the
   oracle's bound.
3. The framework lies within the bound of its formula for any order of summation; so does our kernel
   within that of the preset, which is derived apart from the oracle's.

2 and 3 together bound the difference of both by the sum of the two bounds.
"""

from dataclasses import dataclass, field

import numpy as np

from arrays import equal_bits, storage, ulps
from bounded import Bounded, evaluate
from case import Case
from own import Library, Tool
from text import KernelText


@dataclass
class Verdict:
    """The figures of one case, or of several together."""

    elements: int = 0
    exact_given: int = 0
    exact_form: int = 0
    has_form: bool = False
    exact: int = 0
    worst_ulps: float = 0.0
    own_ratio: float = 0.0
    framework_ratio: float | None = None
    # Elements for which the framework's formula cancels so far that its bound says nothing.
    unbounded: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        self.elements += other.elements
        self.exact_given += other.exact_given
        self.exact_form += other.exact_form
        self.has_form |= other.has_form
        self.exact += other.exact
        self.worst_ulps = max(self.worst_ulps, other.worst_ulps)
        self.own_ratio = max(self.own_ratio, other.own_ratio)
        if other.framework_ratio is not None:
            self.framework_ratio = max(self.framework_ratio or 0.0, other.framework_ratio)
        self.unbounded += other.unbounded
        self.failures += other.failures


def ratio(found: np.ndarray, value: np.ndarray, bound: np.ndarray) -> float:
    """The greatest error as a part of its bound; above 1, or infinite, it is outside.

    A bound of infinity says nothing and counts as a failure.
    """
    if not np.isfinite(bound).all():
        return np.inf
    error = np.abs(found.astype(np.float64) - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(error == 0, 0.0, error / bound)
    return np.inf if np.isnan(parts).any() else float(parts.max(initial=0.0))


class Judge:
    """The kernels of some cases, compiled together."""

    def __init__(self, tool: Tool, name: str, cases: list[Case]) -> None:
        self._tool = tool
        self._cases = cases
        self._names = [case.name(index) for index, case in enumerate(cases)]
        self._texts = [case.text(name) for case, name in zip(cases, self._names)]
        self._graphs = tool.graphs(tool.file(f"{name}.ng", "\n".join(self._texts)))
        kernels = dict(self._graphs)
        self._forms: dict[str, KernelText] = {}
        self._given: dict[str, KernelText] = {}
        for name_, case in zip(self._names, cases):
            statistics = list(case.statistics)
            given = self._graphs[name_].given(f"{name_}_given", statistics)
            kernels[given.name] = self._given[name_] = given
            form = case.form_text(name_)
            if form is not None:
                self._forms[name_] = KernelText.all(form)[name_]
                given = self._forms[name_].given(f"{name_}_form", statistics)
                kernels[given.name] = self._given[name_] = given
        text = "\n".join(str(kernel) for kernel in kernels.values())
        self._library = Library(tool, f"{name}-kernels", kernels, text)

    @property
    def target(self) -> str:
        return self._library.target

    @property
    def compiler(self) -> str:
        return self._library.compiler

    def verdicts(self) -> list[Verdict]:
        return [self._verdict(index) for index in range(len(self._cases))]

    def text(self, index: int) -> str:
        """The kernel of a case."""
        return self._texts[index]

    def given_text(self, index: int) -> str:
        """The kernel that gives the framework's bits with its statistics."""
        return str(self._given[self._names[index]])

    def own(self, index: int) -> np.ndarray:
        """What our complete kernel gives for a case."""
        return self._library(self._names[index], self._cases[index].inputs)["y"]

    def given(self, index: int) -> np.ndarray:
        """What our kernel gives for a case with the framework's statistics."""
        case = self._cases[index]
        inputs = case.inputs | case.statistics
        return self._library(f"{self._names[index]}_given", inputs)["y"]

    def _verdict(self, index: int) -> Verdict:
        case, name = self._cases[index], self._names[index]
        verdict = Verdict(elements=case.output.size)

        def fail(what: str) -> None:
            verdict.failures.append(f"{case.framework}, {case.types}, {name}: {what}")

        declared = self._graphs[name].outputs["y"]
        if declared != storage(case.output):
            fail(f"the preset stores {declared}, the framework {storage(case.output)}")
            return verdict
        own = self.own(index)
        verdict.exact_given = int(equal_bits(self.given(index), case.output).sum())
        exact = not case.preset_differs and case.specified
        if exact and verdict.exact_given < verdict.elements:
            fail(f"{verdict.elements - verdict.exact_given} of {verdict.elements} elements differ "
                 "given the framework's statistic")
        if name in self._forms:
            verdict.has_form = True
            form = self._library(f"{name}_form", case.inputs | case.statistics)["y"]
            verdict.exact_form = int(equal_bits(form, case.output).sum())
            if verdict.exact_form < verdict.elements:
                fail(f"{verdict.elements - verdict.exact_form} of {verdict.elements} elements "
                     "differ from the framework's formula given its statistic")
        verdict.exact = int(equal_bits(own, case.output).sum())
        verdict.worst_ulps = float(ulps(own, case.output).max())

        value, bound, bits = self._tool.references(
            name, self._texts[index], {"y": declared}, case.inputs)["y"]
        wrong = int((~equal_bits(own, bits)).sum())
        if wrong > 0:
            fail(f"{wrong} of {verdict.elements} elements have other bits than the exact interpreter's")
        verdict.own_ratio = ratio(own, value, bound)
        if verdict.own_ratio > 1:
            fail(f"our error is {verdict.own_ratio} of the oracle's bound")
        preset = evaluate(self._graphs[name], case.inputs)["y"]
        second = ratio(own, preset.value, preset.error)
        if second > 1:
            fail(f"our error is {second} of the bound for any order of summation")
        if case.specified:
            formula: Bounded = preset
            if name in self._forms:
                formula = evaluate(self._forms[name], case.inputs)["y"]
            known = np.isfinite(formula.error)
            verdict.unbounded = int((~known).sum())
            verdict.framework_ratio = ratio(
                case.output[known], formula.value[known], formula.error[known])
            if verdict.framework_ratio > 1:
                fail(f"the framework's error is {verdict.framework_ratio} of the bound for any "
                     "order of summation")
        return verdict

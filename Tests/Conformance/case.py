"""A call of a framework's norm, and what is asked of our kernel for it."""

from dataclasses import dataclass, field

import numpy as np

from arrays import storage


@dataclass
class Case:
    """What a framework made of its inputs, as rows.

    `form` has the statements of the formula that the framework evaluates where the preset's differ, with
    `y` as its last value. Given the framework's statistics, the form must give its bits, and the preset
    too unless `preset_differs` says why not. Without `specified` the framework does not do what its
    documents say, which is reported and not judged.
    """

    framework: str
    norm: str
    preset: str
    epsilon: float
    inputs: dict[str, np.ndarray]
    output: np.ndarray
    statistics: dict[str, np.ndarray] = field(default_factory=dict)
    form: str | None = None
    preset_differs: str | None = None
    specified: bool = True
    note: str = ""

    @property
    def types(self) -> str:
        """The storage types, for people: of the input, the parameters and the output."""
        kinds = [storage(array) for array in self.inputs.values()]
        kinds = [kinds[0], *sorted(set(kinds[1:]))]
        result = storage(self.output)
        return ", ".join(kinds) + (f" → {result}" if result != kinds[0] else "")

    @property
    def extent(self) -> int:
        return self.inputs["x"].shape[-1]

    def name(self, index: int) -> str:
        """A kernel name that no other case has."""
        kinds = [storage(array) for array in self.inputs.values()]
        return "_".join([self.norm, self.preset, str(self.extent), *kinds, f"case{index}"])

    def inputs_text(self) -> str:
        return ", ".join(
            f"{name}: {storage(array)}[{'rows, ' if name == 'x' else ''}{self.extent}]"
            for name, array in self.inputs.items())

    def text(self, name: str) -> str:
        """The kernel of the preset in the text form."""
        arguments = ["x", *[f"{name}: {name}" for name in self.inputs if name != "x"]]
        arguments += [f"epsilon: {float_text(self.epsilon)}", f"semantics: {self.preset}"]
        return (
            f"kernel {name}({self.inputs_text()}) {{\n"
            f"  y = {self.norm}({', '.join(arguments)})\n}} -> y: {storage(self.output)}\n")

    def form_text(self, name: str) -> str | None:
        """The kernel of the framework's own formula."""
        if self.form is None:
            return None
        body = "\n".join(f"  {line.strip()}" for line in self.form.strip().splitlines())
        return (
            f"kernel {name}({self.inputs_text()}) {{\n{body}\n}} -> y: {storage(self.output)}\n")


def float_text(value: float) -> str:
    """A number of the text form that is rounded to the same Float32."""
    return np.format_float_scientific(np.float32(value), unique=True, trim="0")

"""The text form as `normgen explain --stage graph` prints it: inputs, statements, outputs."""

from dataclasses import dataclass, replace
import re

KERNEL = re.compile(r"^kernel (\w+)\((.*?)\) \{\n(.*?)^\} -> (.*?)$", re.MULTILINE | re.DOTALL)
STATEMENT = re.compile(r"^\s*(\w+) = (.*)$")
NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Statement:
    name: str
    expression: str


@dataclass(frozen=True)
class KernelText:
    """A kernel, its inputs and outputs with their types and shapes, without composition blocks."""

    name: str
    inputs: dict[str, str]
    statements: tuple[Statement, ...]
    outputs: dict[str, str]

    @staticmethod
    def all(printed: str) -> dict[str, "KernelText"]:
        """The kernels of a printed text, by name."""
        found = {}
        for name, inputs, body, outputs in KERNEL.findall(printed):
            statements = []
            for line in body.splitlines():
                match = STATEMENT.match(line)
                if match:
                    statements.append(Statement(match[1], match[2]))
                elif line.strip() != "}" and not re.fullmatch(r"\s*\w+ \{", line):
                    raise ValueError(f"{name}: expected NAME = EXPRESSION, found {line!r}")
            types = dict(entry.split(": ") for entry in outputs.split(", "))
            parameters = re.findall(r"(\w+): (\w+\[[^\]]*\])", inputs)
            found[name] = KernelText(name, dict(parameters), tuple(statements), types)
        return found

    def given(self, name: str, statistics: list[str]) -> "KernelText":
        """The rest of the kernel, with values of rows that become inputs in Float32.

        What only they were computed from is left out; everything else stays as it is.
        """
        defined = [statement.name for statement in self.statements]
        unknown = [value for value in statistics if value not in defined]
        if unknown:
            raise ValueError(f"{self.name} has no value {unknown[0]!r}; values: {defined}")
        rest = [one for one in self.statements if one.name not in statistics]
        needed = set(self.outputs)
        for statement in reversed(rest):
            if statement.name in needed:
                needed |= set(NAME.findall(statement.expression))
        kept = tuple(statement for statement in rest if statement.name in needed)
        inputs = {key: value for key, value in self.inputs.items() if key in needed}
        inputs |= {value: "f32[rows, 1]" for value in statistics}
        return replace(self, name=name, inputs=inputs, statements=kept)

    @property
    def output_extents(self) -> dict[str, int]:
        """The elements of a row of each output: those of x, or 1 for a statistic."""
        declared = self.inputs["x"].split("[")[1].rstrip("]")
        extent = int(declared.split(", ")[-1])
        wide = {"x"}
        for one in self.statements:
            # A reduction of a row is one number, and what is computed from such numbers is, too.
            rest = re.sub(r"\b(mean|one_pass_variance)\([^()]*\)", "1.0", one.expression)
            if wide & set(NAME.findall(rest)):
                wide.add(one.name)
        return {output: extent if output in wide else 1 for output in self.outputs}

    def __str__(self) -> str:
        inputs = ",\n".join(f"  {name}: {type_}" for name, type_ in self.inputs.items())
        body = "\n".join(f"  {one.name} = {one.expression}" for one in self.statements)
        outputs = ", ".join(f"{name}: {type_}" for name, type_ in self.outputs.items())
        return f"kernel {self.name}(\n{inputs}\n) {{\n{body}\n}} -> {outputs}\n"

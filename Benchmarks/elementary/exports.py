#!/usr/bin/env python3
"""Writes a C file that holds the templates of one ISA, and an external function around each chunk.

usage: exports.py ISA [TEMPLATES] > kernel.c
"""
import pathlib
import re
import sys

MATH = [
    "order", "binade", "storage", "integers", "exp", "log", "tanh", "sigmoid", "erf", "put",
    "pairs", "bf16_dot", "prefetch", "parts",
]


def condition(text, name):
    """The line under which a function stands that not every compiler flag gives; else None."""
    for chunk in text.split("\n\n"):
        code = [line for line in chunk.splitlines() if not line.startswith("//")]
        if re.search(rf"^static inline \w+ {name}\(", chunk, re.M):
            return code[0] if code[0].startswith("#if") else None
    return None


def main():
    isa = sys.argv[1]
    templates = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "Templates")
    files = [templates / "simd" / f"{isa}.h.in"]
    files += [templates / "math" / f"{name}.h.in" for name in MATH]
    text = "\n".join(file.read_text() for file in files if file.exists())
    print("#include <stddef.h>\n#include <stdint.h>\n")
    print(text)
    # Pointers carry the vectors, so that no calling convention depends on the ISA.
    for result, name, arguments in re.findall(
            r"^static inline (\w+) (\w+)\(([^)]*)\) \{$", text, re.M):
        parameters, values = [], []
        for argument in arguments.split(", "):
            if argument == "void":
                continue
            if "*" in argument or "[" in argument:
                parameters.append(argument)
                values.append(re.search(r"(\w+)(\[\d+\])?$", argument).group(1))
            else:
                kind, variable = argument.rsplit(" ", 1)
                parameters.append(f"const {kind} *{variable}")
                values.append(f"*{variable}")
        if result != "void":
            parameters.append(f"{result} *result")
        head = f"void try_{name}({', '.join(parameters) or 'void'})"
        assign = "" if result == "void" else "*result = "
        code = f"{head};\n{head} {{\n  {assign}{name}({', '.join(values)});\n}}"
        guard = condition(text, name)
        print(f"\n{guard}\n{code}\n#endif" if guard else f"\n{code}")


main()

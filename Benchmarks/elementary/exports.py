#!/usr/bin/env python3
"""Writes a C file that holds the templates of one ISA, and an external function around each chunk.

usage: exports.py ISA [TEMPLATES] > kernel.c
"""
import pathlib
import re
import sys

MATH = [
    "order", "binade", "storage", "integers", "float8", "exp", "log", "tanh", "sigmoid", "erf",
    "put", "pairs", "bf16_dot", "blocks", "prefetch", "parts", "unrolled",
]


# The templates of an ISA that shares some; of others, the one of its name.
SIMD = {
    "neondot": ["neon", "neondot"],
    "avx512vnni": ["avx512", "avx512vnni"],
    "avx512bf16": ["avx512", "avx512vnni", "avx512bf16"],
}


def chunk_name(chunk):
    found = re.search(r"^static (?:inline )?\w+ (\w+)\(", chunk, re.M) \
        or re.search(r"^typedef \w+ (\w+) __attribute__", chunk, re.M) \
        or re.search(r"^#define (\w+)", chunk, re.M)
    return found.group(1) if found else None


def chunks(isa, templates=pathlib.Path("Templates")):
    """The chunks of an ISA: what a SIMD template of it defines takes the place of what
    the ones before it and the math files do."""
    simd = [templates / "simd" / f"{name}.h.in" for name in SIMD.get(isa, [isa])]
    math = [templates / "math" / f"{name}.h.in" for name in MATH]
    texts = {file: file.read_text().rstrip("\n").split("\n\n")
             for file in simd + math if file.exists()}
    names = [{chunk_name(chunk) for chunk in texts[file]} for file in simd]

    def replaced(file):
        layers = names[simd.index(file) + 1:] if file in simd else names
        return set().union(*layers)

    return [chunk for file, all_chunks in texts.items() for chunk in all_chunks
            if chunk_name(chunk) not in replaced(file)]


def main():
    isa = sys.argv[1]
    text = "\n\n".join(chunks(isa, pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "Templates")))
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
        print(f"\n{head};\n{head} {{\n  {assign}{name}({', '.join(values)});\n}}")


if __name__ == "__main__":
    main()

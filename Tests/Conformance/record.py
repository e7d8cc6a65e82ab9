"""The vectors that `make test` replays without the frameworks."""

import importlib.metadata
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from arrays import as_torch
from case import Case
from judge import Judge

# A few KB each: rows of this many elements, of one case per combination of what is compared.
EXTENT = 64


def write_record(folder: Path, found: list[tuple[Case, Judge, int]]) -> list[Path]:
    """One file per framework and combination of types: inputs, statistics and the framework's output.

    The kernels stand in the file's metadata as text: `kernel` for the complete one, and `given` for the
    preset's, or the framework's own formula where that is another one, given the statistics.
    """
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    written: dict[str, Path] = {}
    for case, judge, index in found:
        if case.extent > EXTENT or case.extent < 2 or not case.specified:
            continue
        if case.norm == "layer_norm" and "shift" not in case.inputs:
            continue
        if case.norm == "rms_norm" and "gain" not in case.inputs:
            continue
        words = [case.framework, case.types.replace("→", "to")]
        name = "_".join("".join(c if c.isalnum() else " " for c in " ".join(words)).split())
        if name in written:
            continue
        tensors = {**case.inputs, **case.statistics, "expected": case.output}
        metadata = {
            "framework": case.framework,
            "versions": ", ".join(
                f"{package} {importlib.metadata.version(package)}"
                for package in ["torch", "transformers", "onnx", "numpy"]),
            "kernel": judge.text(index), "given": judge.given_text(index),
        }
        path = folder / f"{name}.safetensors"
        save_file({key: as_torch(np.asarray(value)) for key, value in tensors.items()},
                  str(path), metadata)
        written[name] = path
    return list(written.values())

"""Runs one framework and leaves its cases in a file; a process of its own for each.

usage: collect.py FRAMEWORK SEED FILE
"""

import importlib
from pathlib import Path
import pickle
import sys

# The module of each framework, and the environment that it is run with.
FRAMEWORKS: dict[str, tuple[str, dict[str, str]]] = {
    "pytorch": ("pytorch", {}),
    "pytorch-default": ("pytorch", {"ATEN_CPU_CAPABILITY": "default"}),
    "transformers": ("hugging_face", {"USE_HUB_KERNELS": "0", "HF_HUB_OFFLINE": "1"}),
    "onnx": ("onnx_reference", {}),
    "onnx-nodes": ("node_tests", {}),
}

if __name__ == "__main__":
    framework, seed, file = sys.argv[1:]
    cases = importlib.import_module(FRAMEWORKS[framework][0]).cases(int(seed))
    Path(file).write_bytes(pickle.dumps(cases))

"""The norms of Hugging Face's transformers, as their classes compute them."""

import importlib

import numpy as np
import torch

from arrays import Storage, as_numpy, as_torch, parameter, rows_of
from case import Case

# The class, its module, the preset, and whether its gain is that of 1 + weight.
CLASSES = [
    ("LlamaRMSNorm", "llama", "llama"),
    ("MistralRMSNorm", "mistral", "llama"),
    ("Qwen2RMSNorm", "qwen2", "llama"),
    ("GemmaRMSNorm", "gemma", "gemma"),
    ("Gemma2RMSNorm", "gemma2", "gemma"),
    ("Gemma3RMSNorm", "gemma3", "gemma"),
    ("T5LayerNorm", "t5", "t5"),
    ("IdeficsRMSNorm", "idefics", "t5"),
]

TYPES: list[tuple[Storage, Storage]] = [
    ("f32", "f32"), ("bf16", "bf16"), ("f16", "f16"), ("bf16", "f32"), ("f16", "f32"),
    ("f32", "bf16")]


def cases(seed: int) -> list[Case]:
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    found: list[Case] = []
    for name, module, preset in CLASSES:
        path = f"transformers.models.{module}.modeling_{module}"
        norm_class = getattr(importlib.import_module(path), name)
        for type_, gain_type in TYPES:
            for extent, epsilon in [(64, 1e-6), (300, 0.8765), (1000, 1e-5)]:
                x = rows_of(generator, extent, type_)
                mean = 0.0 if preset == "gemma" else 1.0
                gain = parameter(generator, extent, gain_type, mean)
                norm = norm_class(extent, eps=epsilon)
                norm.weight = torch.nn.Parameter(as_torch(gain), requires_grad=False)
                tensor = as_torch(x)
                mean_square = tensor.to(torch.float32).pow(2).mean(-1, keepdim=True)
                found.append(Case(
                    f"transformers `{name}`", "rms_norm", preset, epsilon,
                    {"x": x, "gain": gain}, as_numpy(norm(tensor)),
                    {"mean_square": as_numpy(mean_square)}))
    return found

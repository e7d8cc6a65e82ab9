"""`torch.nn.functional.rms_norm` and `layer_norm`."""

import warnings

import numpy as np
import torch

from arrays import Storage, as_numpy, as_torch, parameter, rows_of
from case import Case

EXTENTS = [1, 64, 300, 1000]
TYPES: list[tuple[Storage, Storage]] = [
    ("f32", "f32"), ("bf16", "bf16"), ("bf16", "f32"), ("f16", "f16"), ("f16", "f32")]

# The epsilon of rms_norm that is given none: that of Float32, for half types, too.
DEFAULT_EPSILON = 2.0**-23


def cases(seed: int) -> list[Case]:
    """All cases of this process's CPU capability."""
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    torch.set_num_threads(1)
    capability = torch.backends.cpu.get_cpu_capability()
    generator = np.random.default_rng(seed)
    found: list[Case] = []
    for type_, parameter_type in TYPES:
        for extent in EXTENTS:
            x = rows_of(generator, extent, type_)
            gain = parameter(generator, extent, parameter_type, 1.0)
            shift = parameter(generator, extent, parameter_type, 0.0)
            if capability != "DEFAULT":
                found += rms_norms(x, gain)
            found += layer_norms(x, gain, shift, contracted=capability != "DEFAULT")
    return found


def rms_norms(x: np.ndarray, gain: np.ndarray) -> list[Case]:
    tensor = as_torch(x)
    mean_square = tensor.float().pow(2).mean(-1, keepdim=True)
    found = []
    for parameters in [{}, {"gain": gain}]:
        for epsilon in [None, 1e-6, 0.8765]:
            weight = as_torch(gain) if parameters else None
            y = torch.nn.functional.rms_norm(tensor, [x.shape[-1]], weight, epsilon)
            found.append(Case(
                "PyTorch `rms_norm`", "rms_norm", "torch", epsilon or DEFAULT_EPSILON,
                {"x": x, **parameters}, as_numpy(y), {"mean_square": as_numpy(mean_square)}))
    return found


def layer_norm_form(kind: str, parameters: list[str], epsilon: float, contracted: bool) -> str:
    """What PyTorch's kernel evaluates.

    Its source has (x - mean) * rstd, then gain and shift, for f32; for half types x is scaled first.
    Compiled for AVX2 and AVX-512, a product and the sum behind it are one fused multiply-add.
    """
    lines = [
        "mean_x = mean(x)", "variance = one_pass_variance(x)",
        f"inv_deviation = 1.0 / sqrt(variance + {np.float32(epsilon)!s})",
    ]
    if kind == "f32":
        lines.append("centred = x - mean_x")
        scaled = "centred * inv_deviation"
        if contracted and parameters == ["shift"]:
            return "\n".join([*lines, "y = fma(centred, inv_deviation, shift)"])
    else:
        lines.append("moved = -(inv_deviation * mean_x)")
        scaled = "fma(x, inv_deviation, moved)" if contracted else "x * inv_deviation + moved"
    lines.append(f"scaled = {scaled}")
    # A missing shift is one of zero, which turns a product of -0 into +0; a missing gain is 1.
    shift = "shift" if "shift" in parameters else "0.0"
    if "gain" not in parameters:
        lines.append(f"y = scaled + {shift}")
    elif contracted:
        lines.append(f"y = fma(scaled, gain, {shift})")
    else:
        lines.append(f"y = scaled * gain + {shift}")
    return "\n".join(lines)


def layer_norms(
    x: np.ndarray, gain: np.ndarray, shift: np.ndarray, contracted: bool
) -> list[Case]:
    extent = x.shape[-1]
    tensor = as_torch(x)
    found = []
    choices = [{}, {"gain": gain}, {"shift": shift}, {"gain": gain, "shift": shift}]
    for parameters in choices:
        for epsilon in [1e-5, 0.8765]:
            weight, bias = (
                as_torch(parameters[name]) if name in parameters else None
                for name in ["gain", "shift"])
            y = torch.nn.functional.layer_norm(tensor, [extent], weight, bias, epsilon)
            # With Float32 parameters the same statistics are returned in Float32.
            ones, zeros = torch.ones(extent), torch.zeros(extent)
            _, mean, rstd = torch.native_layer_norm(tensor, [extent], ones, zeros, epsilon)
            kind = "f32" if x.dtype == np.float32 else "half"
            names = list(parameters)
            differs = None
            if kind == "half":
                differs = "half types: x · rstd − rstd · mean"
            elif contracted and "shift" in names:
                differs = "the compiler fuses the shift's sum"
            elif names == ["gain"]:
                differs = "a shift of zero is added: no −0"
            build = "AVX2, AVX-512" if contracted else "default"
            found.append(Case(
                f"PyTorch `layer_norm`, {build}", "layer_norm", "torch", epsilon,
                {"x": x, **parameters}, as_numpy(y),
                {"mean_x": as_numpy(mean), "inv_deviation": as_numpy(rstd)},
                form=layer_norm_form(kind, names, epsilon, contracted),
                preset_differs=differs))
    return found

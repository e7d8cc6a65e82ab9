"""JAX: one compiled function, its outputs in memory that earlier ones donate."""

import jax
import jax.numpy as jnp
import numpy as np

from cases import EPSILON
from problem import Arrays, Contender, Problem

VERSION = f"JAX {jax.__version__}"


def start(threads: int) -> None:
    """XLA uses as many threads as the process may use processors."""
    jax.config.update("jax_platforms", "cpu")
    # A call that waits for its result is faster on its own thread.
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def rms_norm(x: jax.Array, gain: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float32)
    inverse = jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + EPSILON["rms_norm"])
    return (wide * inverse * gain.astype(jnp.float32)).astype(x.dtype)


def layer_norm(x: jax.Array, gain: jax.Array, shift: jax.Array) -> jax.Array:
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, -1, keepdims=True)
    variance = jnp.mean(centred * centred, -1, keepdims=True)
    normed = centred * jax.lax.rsqrt(variance + EPSILON["layer_norm"])
    return (normed * gain.astype(jnp.float32) + shift.astype(jnp.float32)).astype(x.dtype)


def training(operation: str, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The outputs and the gradients by x, gain and shift."""
    names = [name for name in ["x", "gain", "shift"] if name in inputs]
    outputs, pull_back = jax.vjp(
        lambda *values: evaluate(operation, inputs | dict(zip(names, values))),
        *[inputs[name] for name in names])
    gradients = pull_back({name: inputs[f"d_{name}"] for name in outputs})
    return outputs | {f"d_{name}": gradient for name, gradient in zip(names, gradients)}


def evaluate(operation: str, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
    if operation.endswith("_training"):
        return training(operation.removesuffix("_training"), inputs)
    x = inputs["x"]
    match operation:
        case "rms_norm":
            return {"y": rms_norm(x, inputs["gain"])}
        case "layer_norm":
            return {"y": layer_norm(x, inputs["gain"], inputs["shift"])}
        case "add_rms_norm":
            hidden = x + inputs["residual"]
            return {"hidden": hidden, "normed": rms_norm(hidden, inputs["gain"])}
        case "rms_norm_i8":
            y = rms_norm(x, inputs["gain"]).astype(jnp.float32)
            scale = jnp.max(jnp.abs(y), -1, keepdims=True) / 127
            return {"q": jnp.clip(jnp.round(y / scale), -128, 127).astype(jnp.int8), "scale": scale}
        case "matmul":
            return {"y": x @ inputs["w"]}
        case "linear_gelu_rms_norm":
            activated = jax.nn.gelu(x @ inputs["w"] + inputs["bias"], approximate=False)
            return {"y": rms_norm(activated, inputs["gain"])}
        case "rms_norm_linear":
            return {"y": rms_norm(x, inputs["gain"]) @ inputs["w"]}
        case "gated":
            return {"y": jax.nn.silu(x @ inputs["gate"]) * (x @ inputs["up"])}
        case other:
            raise ValueError(f"JAX has no function for the operation {other!r}")


def contenders(problem: Problem, threads: int) -> list[Contender]:
    operation = problem.case.operation.peers
    inputs = {name: jax.device_put(array) for name, array in problem.inputs.items()}
    state = {name: jax.device_put(np.zeros_like(a)) for name, a in problem.outputs.items()}

    # The old outputs are not read; their memory takes the new ones.
    @jax.jit(donate_argnums=0, keep_unused=True)
    def step(
        old: dict[str, jax.Array], inputs: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        return evaluate(operation, inputs)

    def repeat(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state = step(state, inputs)
            for value in state.values():
                value.block_until_ready()

    def results() -> Arrays:
        repeat(1)
        return {name: np.array(value) for name, value in state.items()}

    return [Contender("JAX", repeat, results)]

"""The table of what is compared: operations, shapes and storage types."""

from dataclasses import dataclass
from typing import Literal

from blocks import FORMATS, block_bytes

Storage = Literal["f32", "bf16"]

STORAGES: tuple[Storage, ...] = ("f32", "bf16")

EPSILON = {"rms_norm": 1e-6, "layer_norm": 1e-5}

# The part of a row that partial RMSNorm reads for its statistic.
PARTIAL_FRACTION = 1 / 16


@dataclass(frozen=True)
class Tensor:
    """An input or output of a case."""

    name: str
    shape: tuple[int, ...]
    has_rows: bool = False
    # The type of the elements if it is not the case's.
    storage: Literal["f32", "i8", "u8"] | None = None
    # Entries have a variance of 1/shape[0], as the weights of a layer do.
    is_matrix: bool = False
    # The format of blocks, whose bytes the elements are, row after row of [out, in].
    blocks: str | None = None


@dataclass(frozen=True)
class Operation:
    """What a kernel computes. `peers` names the operation the peers run beside it."""

    name: str
    title: str
    group: Literal["norms", "quantized", "gradients", "matmuls", "blocks"]
    peers: str
    # The format of the weights, if they are in blocks.
    blocks: str | None = None
    # Whether the rows may be rounded to 8 bits, by scales of groups.
    by_integers: bool = False


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in [
        Operation("rms_norm", "RMSNorm", "norms", "rms_norm"),
        Operation("layer_norm", "LayerNorm", "norms", "layer_norm"),
        # No peer has a partial RMSNorm: its statistic is theirs to skip, and they cannot.
        Operation("partial_rms_norm", "partial RMSNorm, 6.25 %", "norms", "rms_norm"),
        Operation("add_rms_norm", "residual + RMSNorm", "norms", "add_rms_norm"),
        Operation("rms_norm_i8", "RMSNorm to int8", "quantized", "rms_norm_i8"),
        *[
            Operation(f"{name}_training", f"{title}, forward and backward", "gradients",
                      f"{name}_training")
            for name, title in [
                ("rms_norm", "RMSNorm"), ("layer_norm", "LayerNorm"),
                ("add_rms_norm", "residual + RMSNorm")]
        ],
        Operation("matmul", "matmul", "matmuls", "matmul"),
        Operation(
            "linear_gelu_rms_norm", "linear + bias + gelu + RMSNorm", "matmuls",
            "linear_gelu_rms_norm"),
        Operation("rms_norm_linear", "RMSNorm + linear", "matmuls", "rms_norm_linear"),
        Operation("gated", "silu(x·gate) · (x·up)", "matmuls", "gated"),
        *[
            Operation(f"{format}_{kind}", f"{format} by {title}", "blocks", f"{format}_{kind}",
                      format, by_integers=kind == "int8")
            for format in FORMATS
            for kind, title in [("values", "values"), ("int8", "integers")]
            # Plain integers are there to be multiplied as such.
            if (format, kind) != ("i8", "values")
        ],
    ]
}


@dataclass(frozen=True)
class Case:
    """One row of the tables."""

    operation: Operation
    storage: Storage
    rows: int
    inner: int
    columns: int = 0

    @property
    def kernel(self) -> str:
        """The name of our kernel; in training, of the forward one."""
        extents = f"{self.inner}x{self.columns}" if self.columns else f"{self.inner}"
        return f"{self.operation.name.removesuffix('_training')}_{extents}_{self.storage}"

    @property
    def key(self) -> str:
        """A name that no other case has."""
        training = "_training" if self.operation.group == "gradients" else ""
        return f"{self.kernel}{training}@{self.rows}"

    @property
    def shape(self) -> str:
        """The extents, for people."""
        extents = [self.rows, self.inner, *([self.columns] if self.columns else [])]
        return "×".join(str(extent) for extent in extents)

    @property
    def floating_operations(self) -> int:
        """Multiplications and additions of the matrix products."""
        matrices = sum(tensor.is_matrix for tensor in self.inputs)
        return 2 * matrices * self.rows * self.inner * self.columns

    @property
    def bare(self) -> "Case | None":
        """The matrix product alone, for a case that does more than it."""
        if self.operation.group != "matmuls" or self.operation.name == "matmul":
            return None
        columns = 2 * self.columns if self.operation.name == "gated" else self.columns
        return Case(OPERATIONS["matmul"], self.storage, self.rows, self.inner, columns)

    @property
    def goal(self) -> float | None:
        """The least ratio to the best peer that we aim at; to the best bare product if there is one."""
        if self.operation.group == "gradients":
            return 2
        if self.operation.group == "blocks":
            return None
        if self.operation.group != "matmuls":
            return {(1, 4096): 3, (32, 4096): 3, (4096, 4096): None}.get(
                (self.rows, self.inner), 1.5)
        if self.rows >= 64:
            return 1.05 if self.storage == "f32" else 1.08
        return 1.5 if self.rows == 16 else None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs in the order of our kernel's parameters."""
        rows, inner, columns = self.rows, self.inner, self.columns
        x = Tensor("x", (rows, inner), has_rows=True)
        gain = Tensor("gain", (inner,))
        w = Tensor("w", (inner, columns), is_matrix=True)
        shift = Tensor("shift", (inner,))
        residual = Tensor("residual", (rows, inner), has_rows=True)
        if (blocks := self.operation.blocks) is not None:
            bytes_shape = (columns, block_bytes(blocks, inner))
            return (x, Tensor("w", bytes_shape, storage="u8", is_matrix=True, blocks=blocks))

        def upstream(name: str) -> Tensor:
            return Tensor(f"d_{name}", (rows, inner), has_rows=True)

        match self.operation.name:
            case "rms_norm" | "partial_rms_norm" | "rms_norm_i8":
                return (x, gain)
            case "layer_norm":
                return (x, gain, shift)
            case "add_rms_norm":
                return (x, residual, gain)
            case "rms_norm_training":
                return (x, gain, upstream("y"))
            case "layer_norm_training":
                return (x, gain, shift, upstream("y"))
            case "add_rms_norm_training":
                return (x, residual, gain, upstream("hidden"), upstream("normed"))
            case "matmul":
                return (x, w)
            case "linear_gelu_rms_norm":
                return (x, w, Tensor("bias", (columns,)), Tensor("gain", (columns,)))
            case "rms_norm_linear":
                return (x, gain, w)
            case "gated":
                return (
                    x, Tensor("gate", (inner, columns), is_matrix=True),
                    Tensor("up", (inner, columns), is_matrix=True))
            case other:
                raise ValueError(f"no inputs are known for the operation {other!r}")

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The outputs in the order of our kernel's parameters."""
        shape = (self.rows, self.columns or self.inner)
        if self.operation.name == "add_rms_norm":
            return (Tensor("hidden", shape, has_rows=True), Tensor("normed", shape, has_rows=True))
        if self.operation.group == "gradients":
            # The residual's gradient is x's.
            whole = ["hidden", "normed"] if self.operation.name.startswith("add_") else ["y"]
            sums = ["d_gain", "d_shift"] if self.operation.name.startswith("layer_") else ["d_gain"]
            return (
                *[Tensor(name, shape, has_rows=True) for name in [*whole, "d_x"]],
                *[Tensor(name, (self.inner,)) for name in sums])
        if self.operation.name == "rms_norm_i8":
            # Integers, and what a row's are to be multiplied by.
            scale = Tensor("scale", (self.rows, 1), has_rows=True, storage="f32")
            return (Tensor("q", shape, has_rows=True, storage="i8"), scale)
        return (Tensor("y", shape, has_rows=True),)


NORM_SHAPES = [(1, 4096), (32, 4096), (512, 4096), (4096, 4096), (4096, 768), (16384, 128)]

TRAINING_SHAPES = [(2048, 4096), (4096, 768)]

MATMUL_SHAPES = [
    (1, 4096, 4096), (16, 4096, 4096), (128, 4096, 4096), (512, 4096, 11008), (64, 1024, 1024),
    (512, 768, 3072),
]

BLOCK_SHAPES = [(1, 4096, 4096), (16, 4096, 4096), (128, 4096, 4096), (1, 4096, 11008)]

FUSED_SHAPES = [
    ("linear_gelu_rms_norm", (512, 768, 3072)),
    ("rms_norm_linear", (16, 4096, 4096)),
    ("gated", (64, 1024, 2816)),
]


def all_cases() -> list[Case]:
    """Every case: norms, quantized ones, and matrix products, each in all storage types, and
    products of Float32 rows with weights in blocks."""
    cases: list[Case] = []
    for group in ["norms", "quantized"]:
        for storage in STORAGES:
            for operation in OPERATIONS.values():
                if operation.group == group:
                    cases += [Case(operation, storage, *shape) for shape in NORM_SHAPES]
    for storage in STORAGES:
        for operation in OPERATIONS.values():
            if operation.group == "gradients":
                cases += [Case(operation, storage, *shape) for shape in TRAINING_SHAPES]
    for storage in STORAGES:
        cases += [Case(OPERATIONS["matmul"], storage, *shape) for shape in MATMUL_SHAPES]
        cases += [Case(OPERATIONS[name], storage, *shape) for name, shape in FUSED_SHAPES]
    for operation in OPERATIONS.values():
        if operation.group == "blocks":
            cases += [Case(operation, "f32", *shape) for shape in BLOCK_SHAPES]
    return cases

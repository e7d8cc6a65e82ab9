"""Records the checkpoints beside this file, and how their producers' own code reads them.

It downloads AutoGPTQ 0.7.1, GPTQModel 7.7.0 and AutoAWQ 0.2.9 from PyPI, and runs their packing and
their dequantization on a CPU. Of what those import, only what is used is real: `transformers`,
`accelerate` and the like are stubs, and two functions and a class are taken out of files that
import much. It needs pip and

    pip install torch==2.13.0 numpy==2.4.6 safetensors==0.8.0 onnx==1.23.2 onnxruntime==1.32.0
    python3 record.py SOME_EMPTY_FOLDER

Each checkpoint has K inputs, N outputs and G groups, a layer named `layer`, the configuration that
its producer writes, and

    quants.npy    u8 [N, K], the integers that were packed
    zeros.npy     u8 [N, G], the zero points that are subtracted from them (after GPTQ's + 1)
    scales.npy    f32 [N, G], the f16 scales of the file, widened
    expected.npy  f32 [N, K], the weights that the producer dequantizes, in f16, widened

In f32 the producers' code gives scales * (quants - zeros) exactly, which this script checks; in f16
it gives that, rounded once. The group of an input is its g_idx in a GPTQ file, and its index
divided by the group size in an AWQ file. Quants, zeros and scales are random, but for the two
`gptq_desc_act` checkpoints, whose ones AutoGPTQ's own quantizer finds, and whose groups are in
order if they are static. One scale of each checkpoint with random ones is denormal in f16.

Of config.json there is only what the producer adds to a model's own. AutoGPTQ and GPTQModel write
that to quantize_config.json, too. From run to run, only the order of the metadata in AutoGPTQ's
model.safetensors differs.

`gptq_stored_15` has zero points of 16 (stored as 15), on which AutoGPTQ disagrees with itself:
`qlinear_cuda` reads 16, which is in zeros.npy and expected.npy, and `qlinear_cuda_old` reads 0,
which is in expected_wrapped.npy. AutoGPTQ's quantizer finds no zero point of 16.

`gptq_borrow` is what GPTQModel writes in the first format for zero points of 0: it subtracts
0x11111111 from words of eight zero points, so that one of 0 borrows from the next, and adds it on
reading. zeros.npy and expected.npy are what that gives; borrowed.npy, u8 [N, G], has the fields of
four bits as they are stored, of which AutoGPTQ makes other zero points.

Each folder of `matmul_nbits` has B, scales and zero_points as ONNX Runtime's operator MatMulNBits
takes them (if there is no zero_points.npy, then none), and expected.npy, f32 [N, K], its product
with the identity matrix. The last block is not full, and what fills it is random.
"""

import ast
import dataclasses
import json
import pathlib
import subprocess
import sys
import tarfile
import types
import typing
import unittest.mock
import warnings
import zipfile

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent


def download(folder: pathlib.Path) -> None:
    """Downloads the producers' packages into `folder` and unpacks them there."""

    def pip(*arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", *arguments]
        subprocess.run(command, cwd=folder, check=True)

    pip("--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64",
        "auto_gptq==0.7.1")  # fmt: skip
    pip("--no-binary", ":all:", "gptqmodel==7.7.0")
    pip("--no-binary", ":all:", "autoawq==0.2.9")
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    for source in folder.glob("*.tar.gz"):
        tarfile.open(source).extractall(folder, filter="data")


def package(name: str, root: pathlib.Path) -> types.ModuleType:
    """Makes a package importable without what its __init__.py imports."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [str(root / name.replace(".", "/"))]
    return module


def stub(*names: str) -> None:
    for name in names:
        sys.modules[name] = unittest.mock.MagicMock(__spec__=None)


def definition(path: pathlib.Path, name: str, **names: object) -> typing.Any:
    """A function or class of a file, defined where only `names` are known."""
    found = [node for node in ast.parse(path.read_text()).body if getattr(node, "name", "") == name]
    exec(compile(ast.Module(found, []), str(path), "exec"), names)
    return names[name]


def save(
    name: str,
    tensors: dict,
    config: dict,
    metadata: dict[str, str],
    separate: bool = True,
    **arrays: np.ndarray,
) -> None:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    tensors = {
        f"layer.{key}": value.detach().clone().contiguous() for key, value in tensors.items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"} | metadata)
    whole = json.dumps({"quantization_config": config}, indent=2)
    (folder / "config.json").write_text(whole + "\n")
    if separate:
        (folder / "quantize_config.json").write_text(json.dumps(config, indent=2) + "\n")
    for key, array in arrays.items():
        np.save(folder / f"{key}.npy", np.ascontiguousarray(array))


class Numbers:
    """Random quants, zero points and scales, and the layer that they stand for."""

    def __init__(
        self, seed: int, n: int, k: int, group: int, bits: int, zeros: range, bias: bool
    ) -> None:
        random = np.random.default_rng(seed)
        groups = k // group
        self.quants = random.integers(0, 2**bits, (n, k))
        if len(zeros) == 1:
            self.zeros = np.full((n, groups), zeros[0])
        else:
            cycle = np.resize(np.array(zeros), n * groups)
            self.zeros = random.permutation(cycle).reshape(n, groups)
        scales = np.exp2(random.uniform(-9, -4, (n, groups))).astype(np.float16)
        scales[n // 3, groups // 2] = 5 * 2.0**-24
        self.scales = scales.astype(np.float32)
        self.g_idx = np.arange(k) // group
        self.layer = torch.nn.Linear(k, n, bias=bias).half()
        self.layer.weight.data = torch.from_numpy(self.weights()).half()
        if bias:
            self.layer.bias.data = torch.from_numpy(random.normal(size=n)).half()

    def weights(self) -> np.ndarray:
        zeros, scales = self.zeros[:, self.g_idx], self.scales[:, self.g_idx]
        return (scales * (self.quants - zeros)).astype(np.float32)

    def arguments(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scales, zero points and group indices, as quantizers give them to pack()."""
        zeros = torch.from_numpy(self.zeros.astype(np.float32))
        return torch.from_numpy(self.scales), zeros, torch.from_numpy(self.g_idx.astype(np.int32))

    def check(self, exact: torch.Tensor, half: torch.Tensor) -> np.ndarray:
        """Checks weights, [K, N], dequantized in f32 and in f16; gives the latter as [N, K]."""
        weights = self.weights()
        assert exact.dtype == torch.float32 and half.dtype == torch.float16
        assert np.array_equal(exact.numpy().T, weights)
        assert np.array_equal(half.numpy().T, weights.astype(np.float16))
        return half.float().numpy().T

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "quants": self.quants.astype(np.uint8),
            "zeros": self.zeros.astype(np.uint8),
            "scales": self.scales,
        }


def product(layer: torch.nn.Module, k: int, dtype: torch.dtype) -> torch.Tensor:
    """A layer's weights, [K, N]: its product, without bias and in `dtype`, with the identity."""
    scales, bias = layer.scales, layer.bias
    layer.scales, layer.bias = scales.to(dtype), None
    result = layer(torch.eye(k, dtype=dtype))
    layer.scales, layer.bias = scales, bias
    return result


def auto_gptq(root: pathlib.Path) -> None:
    base = root / "auto_gptq"
    for name in (
        "auto_gptq",
        "auto_gptq.nn_modules",
        "auto_gptq.nn_modules.qlinear",
        "auto_gptq.quantization",
    ):
        package(name, root)
    from auto_gptq.nn_modules.qlinear.qlinear_cuda import QuantLinear
    from auto_gptq.nn_modules.qlinear.qlinear_cuda_old import QuantLinear as OldQuantLinear
    from auto_gptq.quantization.gptq import GPTQ

    Config = definition(
        base / "modeling/_base.py", "BaseQuantizeConfig", __name__="auto_gptq.modeling._base",
        dataclass=dataclasses.dataclass, field=dataclasses.field, fields=dataclasses.fields,
        PushToHubMixin=object, Optional=typing.Optional,
    )  # fmt: skip

    def pack(name: str, numbers: Numbers, config: typing.Any) -> None:
        n, k = numbers.quants.shape
        bias = numbers.layer.bias is not None
        layer = QuantLinear(config.bits, config.group_size, k, n, bias)
        layer.pack(numbers.layer, *numbers.arguments())
        half = product(layer, k, torch.float16)
        arrays = numbers.arrays()
        arrays["expected"] = numbers.check(product(layer, k, torch.float32), half)
        if not config.desc_act:
            old = OldQuantLinear(config.bits, config.group_size, k, n, bias)
            old.pack(numbers.layer, *numbers.arguments())
            old_state = old.state_dict()
            assert all(
                torch.equal(value, old_state[key]) for key, value in layer.state_dict().items()
            )
            wrapped = product(old, k, torch.float16)
            if numbers.zeros.max() < 2**config.bits:
                assert torch.equal(half, wrapped)
            else:
                arrays["expected_wrapped"] = wrapped.float().numpy().T
        # As BaseGPTQForCausalLM.save_quantized does.
        metadata = {
            "auto_gptq_version": "0.7.1",
            "gptq_bits": str(config.bits),
            "gptq_group_size": str(config.group_size),
            "gptq_desc_act": str(config.desc_act),
            "gptq_damp_percent": str(config.damp_percent),
            "gptq_is_marlin_format": str(config.is_marlin_format),
        }
        save(name, layer.state_dict(), config.to_dict(), metadata, **arrays)

    def simple(
        name: str, n: int, k: int, group: int, bits: int, zeros: range, bias: bool = False
    ) -> None:
        numbers = Numbers(len(name), n, k, k if group == -1 else group, bits, zeros, bias)
        pack(name, numbers, Config(bits, group, desc_act=False, sym=len(zeros) == 1))

    simple("gptq_sym_g32", 32, 64, 32, 4, range(8, 9))
    simple("gptq_sym_column", 32, 64, -1, 4, range(8, 9))
    simple("gptq_asym_g128", 32, 256, 128, 4, range(1, 16))
    simple("gptq_8bit_g64_bias", 32, 128, 64, 8, range(1, 256, 3), bias=True)
    simple("gptq_stored_15", 32, 64, 32, 4, range(1, 17))

    def quantized(name: str, k: int, static: bool) -> None:
        config = Config(4, 32, desc_act=True, static_groups=static, sym=False)
        torch.manual_seed(len(name))
        layer = torch.nn.Linear(k, 32)
        # The groups get means of their own, and so, zero points of their own.
        layer.weight.data += (torch.rand(32, k // 32) * 0.12 - 0.06).repeat_interleave(32, 1)
        layer = layer.half()
        work = torch.nn.Linear(k, 32)
        work.load_state_dict(layer.state_dict())
        gptq = GPTQ(work)
        gptq.quantizer.configure(config.bits, perchannel=True, sym=config.sym, mse=False)
        gptq.add_batch(torch.randn(512, k) * torch.exp2(3 * torch.rand(k)), None)
        scale, zero, g_idx = gptq.fasterquant(
            percdamp=config.damp_percent,
            group_size=config.group_size,
            actorder=config.desc_act,
            static_groups=config.static_groups,
        )
        # Of a zero point of 0, pack() would write -1 over all that are above it in its word.
        assert zero.min() >= 1, zero.min()
        work = work.half()
        numbers = Numbers(0, 32, k, 32, 4, range(1), True)
        numbers.layer = work
        numbers.g_idx = g_idx.numpy()
        numbers.zeros = zero.numpy().astype(int)
        numbers.scales = scale.half().float().numpy()
        weights = work.weight.detach().float().numpy()
        # Of the scales in f32, as the quantizer used them.
        quants = weights / scale.numpy()[:, numbers.g_idx] + numbers.zeros[:, numbers.g_idx]
        numbers.quants = np.rint(quants).astype(int)
        assert np.abs(quants - numbers.quants).max() < 0.1
        assert numbers.quants.min() == 0 and numbers.quants.max() == 15
        # Static groups are of neighbours, in spite of the order that columns were quantized in.
        assert np.all(np.diff(numbers.g_idx) >= 0) == static
        pack(name, numbers, config)

    torch.cuda.synchronize = lambda: None
    quantized("gptq_desc_act", 128, False)
    quantized("gptq_desc_act_static", 64, True)


def gptqmodel(root: pathlib.Path) -> None:
    for name in ("", ".models", ".nn_modules", ".quantization", ".utils"):
        package("gptqmodel" + name, root)
    stub(
        "pcre",
        "gptqmodel.adapter",
        "gptqmodel.adapter.adapter",
        "gptqmodel.utils.logger",
        "gptqmodel.utils.safe",
    )
    sys.modules["gptqmodel.adapter.adapter"].normalize_adapter = lambda adapter: adapter
    sys.modules["gptqmodel.adapter.adapter"].Lora = type("Lora", (), {})
    stub("gptqmodel.utils.torch", "gptqmodel.utils.rocm", "gptqmodel.nn_modules.triton_utils")
    for device in ("CUDA", "MPS", "NPU", "XPU"):
        setattr(sys.modules["gptqmodel.utils.torch"], f"HAS_{device}", False)
    from gptqmodel.quantization import config as configs

    sys.modules["gptqmodel.quantization"].FORMAT = configs.FORMAT
    sys.modules["gptqmodel.quantization"].METHOD = configs.METHOD
    from gptqmodel.utils.backend import BACKEND

    sys.modules["gptqmodel.utils"].BACKEND = BACKEND
    from gptqmodel.nn_modules.qlinear import BaseQuantLinear
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear

    known = {"torch": torch, "nn": torch.nn, "BaseQuantLinear": BaseQuantLinear}
    known |= {"QuantizeConfig": configs.QuantizeConfig, "log": unittest.mock.MagicMock()}
    utilities = root / "gptqmodel/utils/model.py"
    to_v2 = definition(utilities, "convert_gptq_v1_to_v2_format_module", **known)
    to_v1 = definition(utilities, "convert_gptq_v2_to_v1_format_module", **known)

    def pack(name: str, numbers: Numbers, format: str) -> None:
        n, k = numbers.quants.shape
        config = configs.GPTQConfig(
            bits=4, group_size=32, desc_act=False, sym=False, format=format, offload_to_disk=False
        )
        # As ModelWriter.save_quantized does.
        config.meta_set_versionable(key="quantizer", value=["gptqmodel:7.7.0"])
        layer = TorchLinear(
            bits=4, group_size=32, desc_act=False, sym=False, in_features=k, out_features=n,
            bias=numbers.layer.bias is not None, format=config.format,
        )  # fmt: skip
        layer.pack_original(numbers.layer, *numbers.arguments())
        layer.qzero_format(format=2)
        arrays = numbers.arrays()
        if format == "gptq":
            to_v1(layer, config)
        state = {key: value.clone() for key, value in layer.state_dict().items()}
        if format == "gptq":
            packed = state["qzeros"].numpy().view(np.uint8)
            arrays["borrowed"] = np.stack([packed & 15, packed >> 4], -1).reshape(-1, n).T
            to_v2(layer, bits=4, pack_dtype=torch.int32)
        layer.training = False  # eval() imports much
        half = layer.dequantize_weight()
        layer.scales = layer.scales.float()
        arrays["expected"] = numbers.check(layer.dequantize_weight(), half)
        save(name, state, json.loads(json.dumps(config.to_dict())), {}, **arrays)

    pack("gptq_v2_bias", Numbers(20, 40, 64, 32, 4, range(16), True), "gptq_v2")
    pack("gptq_borrow", Numbers(21, 32, 64, 32, 4, range(16), False), "gptq")


def autoawq(root: pathlib.Path) -> None:
    for name in ("awq", "awq.models", "awq.modules", "awq.modules.linear", "awq.utils"):
        package(name, root)
    from awq.models._config import AwqConfig
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.utils.packing_utils import dequantize_gemm

    def pack(name: str, n: int, k: int, group: int, bias: bool) -> None:
        numbers = Numbers(len(name), n, k, group, 4, range(16), bias)
        scales, zeros, _ = numbers.arguments()
        # As AwqQuantizer._apply_quant does.
        scales, zeros = scales.half().t().contiguous(), zeros.half().t().contiguous()
        layer = WQLinear_GEMM.from_linear(numbers.layer, 4, group, scales=scales, zeros=zeros)
        tensors = layer.qweight, layer.qzeros
        exact = dequantize_gemm(*tensors, layer.scales.float(), 4, group)
        arrays = numbers.arrays()
        arrays["expected"] = numbers.check(exact, dequantize_gemm(*tensors, layer.scales, 4, group))
        state = layer.state_dict()
        layer.bias = None
        forward = layer(torch.eye(k, dtype=torch.float16))
        assert np.array_equal(forward.reshape(k, n).float().numpy().T, arrays["expected"])
        config = AwqConfig(q_group_size=group).to_transformers_dict()
        save(name, state, config, {}, separate=False, **arrays)

    pack("awq_g32_bias", 32, 64, 32, True)
    pack("awq_g128", 32, 256, 128, False)


def matmul_nbits() -> None:
    def record(name: str, n: int, k: int, bits: int, block: int, zeros: bool) -> None:
        random = np.random.default_rng(len(name))
        blocks = -(-k // block)
        arrays = {
            "B": random.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8),
            "scales": np.exp2(random.uniform(-9, -4, (n, blocks))).astype(np.float32),
        }
        if zeros:
            arrays["zero_points"] = random.integers(0, 256, (n, -(-blocks * bits // 8))).astype(
                np.uint8
            )
        node = onnx.helper.make_node(
            "MatMulNBits", ["A", *arrays], ["Y"], domain="com.microsoft",
            K=k, N=n, bits=bits, block_size=block, accuracy_level=0,
        )  # fmt: skip
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            [node],
            "graph",
            [value("A", onnx.TensorProto.FLOAT, [k, k])],
            [value("Y", onnx.TensorProto.FLOAT, [k, n])],
            [onnx.numpy_helper.from_array(array, key) for key, array in arrays.items()],
        )
        opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.microsoft", 1)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, {"A": np.eye(k, dtype=np.float32)})[0].T
        # The operator's documented formula, read with the lower bits first.
        fields = np.arange(0, 8, bits)

        def read(packed: np.ndarray) -> np.ndarray:
            return (packed[..., None] >> fields & 2**bits - 1).reshape(n, -1)

        points = (
            read(arrays["zero_points"])[:, :blocks]
            if zeros
            else np.full((n, blocks), 2 ** (bits - 1))
        )
        points, scales = (np.repeat(each, block, 1) for each in (points, arrays["scales"]))
        weights = (read(arrays["B"]).astype(int) - points) * scales
        assert np.array_equal(weights[:, :k].astype(np.float32), expected), name
        folder = HERE / "matmul_nbits" / name
        folder.mkdir(parents=True, exist_ok=True)
        for key, array in (arrays | {"expected": expected}).items():
            np.save(folder / f"{key}.npy", np.ascontiguousarray(array))

    record("4bit_b32", 12, 80, 4, 32, False)
    record("4bit_b32_zeros", 12, 80, 4, 32, True)
    record("8bit_b64", 8, 96, 8, 64, False)
    record("8bit_b64_zeros", 8, 96, 8, 64, True)


def main(folder: pathlib.Path) -> None:
    download(folder)
    stub(
        "accelerate",
        "transformers",
        "transformers.pytorch_utils",
        "transformers.utils",
        "transformers.utils.hub",
    )
    transformers = sys.modules["transformers"]
    transformers.pytorch_utils = sys.modules["transformers.pytorch_utils"]
    transformers.Conv1D = transformers.pytorch_utils.Conv1D = type("Conv1D", (), {})
    sys.modules["transformers.utils.hub"].PushToHubMixin = object
    warnings.simplefilter("ignore")
    for producer, place in (
        (auto_gptq, "."),
        (gptqmodel, "gptqmodel-7.7.0"),
        (autoawq, "autoawq-0.2.9"),
    ):
        sys.path.insert(0, str(folder / place))
        with torch.no_grad():
            producer((folder / place).resolve())
    matmul_nbits()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())

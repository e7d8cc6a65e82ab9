"""Writes Corpus/gguf: one file by the writer of the Python package gguf, and small ones that lie.

usage: python3 -m venv venv && venv/bin/pip install gguf==0.19.0 numpy
       venv/bin/python Tests/ReaderFuzzer/corpus_gguf.py
"""

import pathlib
import struct

import gguf
import numpy

FOLDER = pathlib.Path(__file__).parent / "Corpus" / "gguf"
MOST = 2**64 - 1


def written(path):
    """All types of metadata that the writer has, and tensors of three types."""
    writer = gguf.GGUFWriter(path, "test")
    writer.add_custom_alignment(64)
    writer.add_uint8("a.u8", 200)
    writer.add_int8("a.i8", -100)
    writer.add_uint16("a.u16", 60_000)
    writer.add_int16("a.i16", -30_000)
    writer.add_uint32("a.u32", 4_000_000_000)
    writer.add_int32("a.i32", -2_000_000_000)
    writer.add_uint64("a.u64", 1 << 63)
    writer.add_int64("a.i64", -(1 << 62))
    writer.add_float32("a.f32", 0.5)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.true", True)
    writer.add_bool("a.false", False)
    writer.add_string("a.text", "zwölf")
    writer.add_array("a.texts", ["x", "", "ü"])
    writer.add_array("a.integers", [1, -2, 3])
    quants = numpy.arange(-16, 16, dtype=numpy.int8).view(numpy.uint8)
    scales = numpy.array([1, -2], dtype=numpy.float16).view(numpy.uint8).reshape(2, 2)
    blocks = numpy.concatenate([scales, numpy.stack([quants, quants])], axis=1)
    writer.add_tensor("blk.0.attn_q.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", numpy.array([1, 2, 3], dtype=numpy.float32))
    writer.add_tensor("half", numpy.array([[0.5, -0.25]], dtype=numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def tensor(name, extents, kind, offset):
    return text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, offset)


def file(metadata=(), tensors=(), data=b"", version=3, counts=None):
    tensor_count, key_count = counts or (len(tensors), len(metadata))
    start = b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count)
    start += b"".join(metadata) + b"".join(tensors)
    return start + bytes(-len(start) % 32) + data


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def array(kind, count, elements=b""):
    return struct.pack("<IQ", kind, count) + elements


ROW = struct.pack("<3f", 1, 2, 3)
PLAIN = tensor("w", [3, 1], 0, 0)

FILES = {
    # Read.
    "f32": file([], [PLAIN], ROW),
    "version2": file([key("a", 4, struct.pack("<I", 7))], [PLAIN], ROW, version=2),
    "bf16": file([], [tensor("w", [3, 1], 30, 0)], bytes(6)),
    "q4_K": file([], [tensor("w", [256, 1], 12, 0)], bytes(range(144))),
    "q6_K": file([], [tensor("w", [256, 1], 14, 0)], bytes(range(210))),
    "nested": file([key("a", 9, array(9, 2, array(0, 1, b"x") + array(8, 1, text("y"))))], [PLAIN], ROW),
    # Refused.
    "empty": b"",
    "magic": b"GGUF",
    "big_endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "many_tensors": file([], [PLAIN], ROW, counts=(MOST, 0)),
    "many_keys": file([], [PLAIN], ROW, counts=(1, MOST)),
    "huge_array": file([key("a", 9, array(10, 1 << 61))], [PLAIN], ROW),
    "huge_strings": file([key("a", 9, array(8, 1 << 60))], [PLAIN], ROW),
    "huge_string": file([key("a", 8, struct.pack("<Q", MOST))], [PLAIN], ROW),
    "deep_arrays": file([key("a", 9, array(9, 1) * 5000)], [PLAIN], ROW),
    "duplicates": file([], [PLAIN, PLAIN], ROW),
    "zero_alignment": file([key("general.alignment", 4, struct.pack("<I", 0))], [PLAIN], ROW),
    "odd_alignment": file([key("general.alignment", 4, struct.pack("<I", 31))], [PLAIN], ROW),
    "huge_alignment": file([key("general.alignment", 4, struct.pack("<I", 1 << 31))], [PLAIN], ROW),
    "huge_extent": file([], [tensor("w", [1 << 62], 0, 0)], ROW),
    "huge_product": file([], [tensor("w", [1 << 32, 1 << 32], 0, 0)], ROW),
    "huge_offset": file([], [tensor("w", [3, 1], 0, MOST - 31)], ROW),
    "misaligned": file([], [tensor("w", [3, 1], 0, 1)], ROW),
    "overlapping": file([], [PLAIN, tensor("v", [3, 1], 0, 0)], ROW),
    "many_axes": file([], [tensor("w", [1] * 9, 0, 0)], ROW),
    "unknown_type": file([], [tensor("w", [3, 1], 99, 0)], ROW),
    "unknown_value": file([key("a", 13, b"")], [PLAIN], ROW),
    "half_block": file([], [tensor("w", [33, 1], 2, 0)], bytes(18)),
    "not_utf8": file([], [tensor(b"\xff", [3, 1], 0, 0)], ROW),
    "cut": file([], [tensor("w", [256, 1], 10, 0)], bytes(83)),
    "trailing": file([], [PLAIN], ROW + bytes(64)),
    "zero_bytes": bytes(64),
}


def main():
    FOLDER.mkdir(exist_ok=True)
    written(FOLDER / "written.gguf")
    for name, content in FILES.items():
        (FOLDER / f"{name}.gguf").write_bytes(content)


main()

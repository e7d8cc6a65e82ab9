"""Writes the vectors that BlockFormatTests compares with: blocks of every format, and the values that
the reference has for them, gguf.quants.dequantize.

usage: python3 -m venv venv && venv/bin/pip install gguf==0.19.0 numpy
       venv/bin/python Tests/NormGenFilesTests/BlockVectors/record.py

FORMAT.blocks.npy holds the bytes as int8, a row a block; FORMAT.values.npy the Float32 values. The first
blocks have special scales and minima, then come one of zeros, one of ones, and usual ones.
"""

import pathlib

import gguf
import numpy
from gguf.constants import GGML_QUANT_SIZES

# The bytes of each type's scale and minimum, both binary16.
PLACES = {
    "Q4_0": (0, None), "Q4_1": (0, 2), "Q5_0": (0, None), "Q5_1": (0, 2), "Q8_0": (0, None),
    "Q2_K": (80, 82), "Q3_K": (108, None), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208, None),
}

# Zeros of both signs, the least and the greatest denormal, the greatest values, infinities, a quiet and a
# signalling NaN.
SPECIAL = [
    (0x0000, 0x8000), (0x8000, 0x0000), (0x0001, 0x83FF), (0x83FF, 0x0001), (0x7BFF, 0x7BFF),
    (0xFBFF, 0x7BFF), (0x7C00, 0x7C00), (0xFC00, 0x3C00), (0x3C00, 0xFC00), (0x7E00, 0x3C00),
    (0x3C00, 0x7D00),
]


def blocks(kind, random):
    size = GGML_QUANT_SIZES[kind][1]
    scale, minimum = PLACES[kind.name]
    rows = random.integers(0, 256, size=(len(SPECIAL) + 5, size), dtype=numpy.uint8)
    usual = random.uniform(-1, 1, size=(len(rows), 2)).astype(numpy.float16).view(numpy.uint16)
    for row, special in zip(rows, SPECIAL + usual[len(SPECIAL):].tolist()):
        for place, bits in zip((scale, minimum), special):
            if place is not None:
                row[place:place + 2] = [bits & 255, bits >> 8]
    rows[len(SPECIAL)] = 0
    rows[len(SPECIAL) + 1] = 255
    return rows


def main():
    folder = pathlib.Path(__file__).parent
    random = numpy.random.default_rng(20261128)
    for name in PLACES:
        kind = gguf.GGMLQuantizationType[name]
        rows = blocks(kind, random)
        with numpy.errstate(all="ignore"):
            values = gguf.quants.dequantize(rows, kind)
        stem = name.lower().replace("_k", "_K")
        numpy.save(folder / f"{stem}.blocks.npy", rows.view(numpy.int8))
        numpy.save(folder / f"{stem}.values.npy", values)


main()

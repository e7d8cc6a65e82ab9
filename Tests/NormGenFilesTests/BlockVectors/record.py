"""Writes the vectors that BlockFormatTests and BlockQuantizerTests compare with: blocks of every format, and
the values that the reference has for them, gguf.quants.dequantize; values, and the blocks that it makes of
them, gguf.quants.quantize; and a file of gguf.GGUFWriter with such blocks.

usage: python3 -m venv venv && venv/bin/pip install gguf==0.19.0 numpy
       venv/bin/python Tests/NormGenFilesTests/BlockVectors/record.py

FORMAT.blocks.npy holds the bytes as int8, a row a block; FORMAT.values.npy the Float32 values. The first
blocks have special scales and minima, then come one of zeros, one of ones, and usual ones.

FORMAT.unquantized.npy holds Float32 values, a row a block, and FORMAT.quantized.npy the bytes as int8. Where the
reference warns, its bytes are those of the processor, and it is not recorded.
"""

import pathlib
import warnings

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


def block(*values):
    """A block that begins so and goes on with the last value."""
    row = numpy.full(32, values[-1], dtype=numpy.float32)
    row[:len(values)] = values
    return row


def unquantized(kind, random):
    """What decides a bit: signs of zeros, ties of magnitudes and of quants, scales at the ends of f16."""
    # The quants of the ends: the greatest one, and that of the value that the scale comes from or the minimum.
    most, least = {
        "Q4_0": (7, -8), "Q4_1": (15, 0), "Q5_0": (15, -16), "Q5_1": (31, 0), "Q8_0": (127, -127),
    }[kind.name]
    limit = numpy.float32(65519.996)
    greatest = limit if least == 0 else limit * -least
    ramp = numpy.arange(32, dtype=numpy.float32)
    whole = least + ramp % (most - least + 1)
    # Both ends, and values halfway between two quants, even and odd.
    halves = least + 0.5 + numpy.floor(ramp * (most - least) / 32)
    halves[:2] = least, most
    rows = [
        block(0), block(-0.0), block(1), block(-1), block(-3.7), block(1e-6), block(65504), block(-65504),
        # The first of two magnitudes decides the sign of a scale.
        block(2, -2, 0), block(-2, 2, 0), block(0, 0, -1, 1, 0.25), block(0, 0, 1, -1, 0.25),
        # One value alone, at either end; the other zeros are positive.
        block(5, 0), block(-5, 0), numpy.flip(block(5, 0)), numpy.flip(block(-5, 0)),
        # All of one sign, the greatest last.
        -1 - ramp / 8, 1 + ramp / 8, -ramp / 64, ramp / 64,
        # Every quant, and values halfway between two.
        whole, -whole, whole * 0.375, halves, -halves, halves * 0.0625, numpy.flip(halves) * 3,
        # Scales that are denormals of f16, half of the least one and less; the least with an inverse.
        halves * 2.0**-15, halves * 2.0**-20, halves * 2.0**-24, halves * 2.0**-25, halves * 2.0**-26,
        halves * 2.0**-60, halves * 2.0**-120, block(-1e-45), block(1e-45, 0),
        # The greatest that f16 rounds down to a number.
        block(greatest), block(-greatest), halves / most * 60000,
    ]
    # Scales without an exact inverse: there a quotient and a product may fall on two sides of a half.
    rows += [halves * numpy.float32(scale) for scale in random.uniform(1, 2, size=16)]
    rows += list(random.normal(size=(12, 32)))
    rows += list(random.normal(size=(8, 32)) * numpy.exp2(random.integers(-30, 12, size=(8, 1))))
    rows += list(random.normal(size=(4, 32)) * (random.random(size=(4, 32)) < 0.2) + 0.0)
    # Each half of a unit of the scale, around a middle that is none.
    rows += list(random.integers(-60, 61, size=(8, 32)) / 2 + random.normal(size=(8, 1)))
    return numpy.array(rows, dtype=numpy.float32)


def quantized(rows, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return gguf.quants.quantize(rows, kind)


def written(path):
    """A file of two tensors, whose metadata is what a file with blocks must have."""
    writer = gguf.GGUFWriter(path, "none")
    del writer.kv_data[0]["general.architecture"]
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for name, kind, shape in (("blk.0.attn_q.weight", "Q4_0", (2, 3, 64)), ("zwölf", "Q8_0", (5, 32))):
        kind = gguf.GGMLQuantizationType[kind]
        values = (numpy.arange(numpy.prod(shape), dtype=numpy.float32) % 37 - 11).reshape(shape) / 8
        writer.add_tensor(name, quantized(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
    for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        kind = gguf.GGMLQuantizationType[name]
        rows = unquantized(kind, random)
        numpy.save(folder / f"{name.lower()}.unquantized.npy", rows)
        numpy.save(folder / f"{name.lower()}.quantized.npy", quantized(rows, kind).view(numpy.int8))
    written(folder / "written.gguf")


main()

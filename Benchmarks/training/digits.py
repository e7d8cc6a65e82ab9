"""Writes scikit-learn's digits as Swift.

usage: digits.py scikit_learn-VERSION.whl, as `pip download --no-deps scikit-learn` fetches it
"""

import gzip
import os
import pathlib
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "Sources/NormGenPaper/Training/Digits+Data.swift"
MEMBER = "sklearn/datasets/data/digits.csv.gz"
HEADER = '''extension Digits {
  /// The digits set as scikit-learn %s distributes it (`%s`),
  /// written by `Benchmarks/training/digits.py`: the test set of "Optical Recognition of Handwritten
  /// Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998 (CC BY 4.0).
  static let text = """
'''


def main():
    wheel = pathlib.Path(sys.argv[1])
    with zipfile.ZipFile(wheel) as archive:
        table = gzip.decompress(archive.read(MEMBER)).decode("ascii")
    lines = []
    for row in table.split():
        *pixels, label = (int(float(number)) for number in row.split(","))
        assert len(pixels) == 64 and all(0 <= pixel <= 16 for pixel in pixels)
        lines.append("    " + "".join(chr(ord("a") + pixel) for pixel in pixels) + str(label))
    text = HEADER % (wheel.name.split("-")[1], MEMBER) + "\n".join(lines) + '\n    """\n}\n'
    temporary = TARGET.with_suffix(".tmp")
    temporary.write_text(text, encoding="ascii")
    os.replace(temporary, TARGET)


if __name__ == "__main__":
    main()

"""Records the first losses of `normgen paper train`'s RMSNorm runs as PyTorch has them.

usage: record.py, with the Python environment of Benchmarks/peers

The models are written a second time in model.py, with PyTorch's own differentiation. Parameters and
batches come from the seed by the same rules as in NormGen. Each model runs in Float64 and, for the
distance that Float32 arithmetic makes, several times in Float32 with the images of every batch in
another order, which changes nothing but roundings.
"""

import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Support"))

import outputs  # noqa: E402
import torch  # noqa: E402

from model import (  # noqa: E402
    GRU, BatchOrder, SeededGenerator, Transformer, read_digits, train)

SEED, STEPS, RUNS, BATCH, TRAINED = 1, 20, 16, 50, 1500
DATA = ROOT / "Sources/NormGenPaper/Training/Digits+Data.swift"
RECORD = ROOT / "Sources/NormGenPaper/Resources/recorded_losses.json"


def permutations():
    random = SeededGenerator(SEED + 2)
    for _ in range(RUNS):
        order = list(range(BATCH))
        for index in range(BATCH - 1, 0, -1):
            other = random.next() % (index + 1)
            order[index], order[other] = order[other], order[index]
        yield order


def record(kind, pixels, labels):
    def run(dtype, permutation):
        model = kind("rmsNorm", SEED, dtype)
        order = BatchOrder(SEED + 1, TRAINED, BATCH)
        return train(model, order, pixels, labels, STEPS, permutation)

    exact = run(torch.float64, None)
    runs = [run(torch.float32, permutation) for permutation in permutations()]
    distances, greatest = [], 0.0
    for step, loss in enumerate(exact):
        greatest = max([greatest] + [abs(losses[step] - loss) for losses in runs])
        distances.append(greatest)
    return {"float64": exact, "float32Distance": distances}


def main():
    outputs.check(RECORD)
    torch.set_num_threads(1)
    pixels, labels = read_digits(DATA)
    models = {kind.name: record(kind, pixels, labels) for kind in (GRU, Transformer)}
    text = json.dumps({"torch": torch.__version__, "seed": SEED, "models": models}, indent=1)
    temporary = RECORD.with_suffix(".tmp")
    temporary.write_text(text + "\n", encoding="ascii")
    os.replace(temporary, RECORD)
    print(text)


if __name__ == "__main__":
    main()

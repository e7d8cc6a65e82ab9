"""The two models of `normgen paper train` in PyTorch, from the same seeded numbers."""

import math
import re

import torch

MASK = (1 << 64) - 1


class SeededGenerator:
    """SplitMix64, as NormGen's SeededGenerator."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        bits = self.state
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
        return bits ^ (bits >> 31)

    def uniform(self):
        return (self.next() >> 11) * 2.0**-53


def read_digits(path):
    """Pixels from 0 to 1 as [count, 8, 8] and labels, from the lines that hold an image."""
    pixels, labels = [], []
    with open(path, encoding="ascii") as file:
        for line in file:
            line = line.strip()
            if not re.fullmatch("[a-q]{64}[0-9]", line):
                continue
            pixels.append([(ord(letter) - ord("a")) / 16 for letter in line[:64]])
            labels.append(int(line[64]))
    return torch.tensor(pixels, dtype=torch.float64).reshape(-1, 8, 8), torch.tensor(labels)


class BatchOrder:
    """Samples without repetition, in a new order each time all have been used."""

    def __init__(self, seed, count, batch):
        self.random = SeededGenerator(seed)
        self.count, self.batch, self.order = count, batch, []

    def next(self):
        if len(self.order) < self.batch:
            order = list(range(self.count))
            for index in range(self.count - 1, 0, -1):
                other = self.random.next() % (index + 1)
                order[index], order[other] = order[other], order[index]
            self.order = order
        chosen, self.order = self.order[: self.batch], self.order[self.batch :]
        return chosen


def normalize(a, norm, epsilon):
    if norm == "none":
        return a
    if norm == "layerNorm":
        centered = a - a.mean(-1, keepdim=True)
        return centered / torch.sqrt((centered * centered).mean(-1, keepdim=True) + epsilon)
    part = a if norm == "rmsNorm" else a[..., : math.ceil(a.shape[-1] * 0.0625)]
    return a / torch.sqrt((part * part).mean(-1, keepdim=True) + epsilon)


class Model:
    """Named parameters in a fixed order, drawn one number after the other."""

    epsilon = float(torch.tensor(1e-5, dtype=torch.float32))

    def __init__(self, norm, seed, dtype):
        self.norm, self.dtype = norm, dtype
        random = SeededGenerator(seed)
        self.parameters = {}
        for name, shape, center, width in self.declared():
            count = math.prod(shape)
            if name.startswith(("gain", "shift", "b_")):
                values = torch.full([count], float(center), dtype=torch.float32)
            else:
                values = torch.tensor(
                    [center + width * (2 * random.uniform() - 1) for _ in range(count)],
                    dtype=torch.float64).to(torch.float32)
            self.parameters[name] = values.to(dtype).reshape(shape).requires_grad_()

    def normed(self, a, name, shift=None):
        a = normalize(a, self.norm, self.epsilon)
        if self.norm != "none":
            a = a * self.parameters["gain_" + name]
        return a if shift is None else a + self.parameters["shift_" + shift]

    def loss(self, x, labels):
        scores = self.scores(x.to(self.dtype))
        return torch.nn.functional.cross_entropy(
            scores, labels, label_smoothing=0.1)


class GRU(Model):
    name = "gru"
    units = 64
    rate = 0.1

    def declared(self):
        wx, wh = math.sqrt(3 / 8), math.sqrt(3 / self.units)
        for gate in "ruc":
            yield f"w_{gate}", [8, self.units], 0, wx
            yield f"u_{gate}", [self.units, self.units], 0, wh
            yield f"gain_w_{gate}", [self.units], 1, 0
            yield f"gain_u_{gate}", [self.units], 1, 0
            yield f"shift_{gate}", [self.units], 0, 0
        yield "w_out", [self.units, 10], 0, wh
        yield "b_out", [10], 0, 0

    def scores(self, x):
        p = self.parameters
        h = torch.zeros(x.shape[0], self.units, dtype=self.dtype)
        for step in range(8):
            row = x[:, step]

            def gate(name):
                return self.normed(row @ p["w_" + name], "w_" + name, name)

            def mapping(name):
                return self.normed(h @ p["u_" + name], "u_" + name)

            r = torch.sigmoid(gate("r") + mapping("r"))
            u = torch.sigmoid(gate("u") + mapping("u"))
            c = torch.tanh(mapping("c") * r + gate("c"))
            h = u * h + (1 - u) * c
        return h @ p["w_out"] + p["b_out"]


class Transformer(Model):
    name = "transformer"
    width, heads, hidden, blocks = 64, 2, 128, 2
    rate = 0.02

    def declared(self):
        d, f = self.width, self.hidden
        yield "w_embed", [16, d], 0, math.sqrt(3 / 8)
        for block in range(self.blocks):
            for name in "qkv":
                for head in range(self.heads):
                    yield f"w_{name}{head}_{block}", [d, d // self.heads], 0, math.sqrt(3 / d)
            for head in range(self.heads):
                yield f"w_o{head}_{block}", [d // self.heads, d], 0, math.sqrt(3 / d)
            yield f"gain_a_{block}", [d], 1, 0
            yield f"shift_a_{block}", [d], 0, 0
            yield f"w_up_{block}", [d, f], 0, math.sqrt(3 / d)
            yield f"b_up_{block}", [f], 0, 0
            yield f"w_down_{block}", [f, d], 0, math.sqrt(3 / f)
            yield f"gain_f_{block}", [d], 1, 0
            yield f"shift_f_{block}", [d], 0, 0
        yield "w_out", [8 * d, 10], 0, math.sqrt(3 / (8 * d))
        yield "b_out", [10], 0, 0

    def scores(self, x):
        p = self.parameters
        places = torch.eye(8, dtype=self.dtype).expand(x.shape[0], 8, 8)
        x = torch.cat([x, places], -1) @ p["w_embed"]
        part = self.width // self.heads
        for block in range(self.blocks):
            mixture = x
            for head in range(self.heads):
                q, k, v = (x @ p[f"w_{name}{head}_{block}"] for name in "qkv")
                shares = torch.softmax(q @ k.transpose(-1, -2) * part**-0.5, -1)
                mixture = mixture + shares @ v @ p[f"w_o{head}_{block}"]
            x = self.normed(mixture, f"a_{block}", f"a_{block}")
            inner = torch.relu(x @ p[f"w_up_{block}"] + p[f"b_up_{block}"])
            x = self.normed(x + inner @ p[f"w_down_{block}"], f"f_{block}", f"f_{block}")
        return x.reshape(-1, 8 * self.width) @ p["w_out"] + p["b_out"]


PLANNED, WARM, MOMENTUM = 200, 20, 0.9


def rate(model, step):
    """The learning rate: rising, then falling to 0 at the end."""
    return model.rate * min(1.0, (step + 1) / WARM) * (1.0 - step / PLANNED)


def train(model, order, pixels, labels, steps, permutation=None):
    """The loss before each step."""
    losses = []
    speeds = {name: torch.zeros_like(value) for name, value in model.parameters.items()}
    for step in range(steps):
        chosen = order.next()
        if permutation is not None:
            chosen = [chosen[index] for index in permutation]
        loss = model.loss(pixels[chosen], labels[chosen])
        losses.append(loss.item())
        for value in model.parameters.values():
            value.grad = None
        loss.backward()
        with torch.no_grad():
            for name, value in model.parameters.items():
                if value.grad is None:
                    continue
                speeds[name] = MOMENTUM * speeds[name] + value.grad
                value -= rate(model, step) * speeds[name]
    return losses

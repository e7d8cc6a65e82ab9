"""The plots, an .svg file for each group: the peers' times by ours on one thread."""

import io
from pathlib import Path
import textwrap

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

from cases import Case  # noqa: E402
from summary import OWN, Summary, has_own, summaries  # noqa: E402

# A mark that is readable on white and on black.
INK = "#808080"

# A name, forms and a color. A peer is shown in its fastest form.
Peer = tuple[str, list[str], str]

PEERS: list[Peer] = [
    ("PyTorch",
     ["PyTorch eager", "torch.compile", "torch.compile, outputs given", "PyTorch int4pack, bf16"],
     "#e0653a"),
    ("JAX", ["JAX"], "#9a7fd1"),
    ("ONNX Runtime",
     ["ONNX Runtime", "ONNX Runtime, f32", "ONNX Runtime, i8 by 32"], "#3f97d3"),
    ("OpenVINO",
     ["OpenVINO", "OpenVINO, f32", "OpenVINO, bf16", "OpenVINO, i8 by 32"], "#2fa37c"),
    ("ggml", ["ggml", "ggml, repacked"], "#c9a227"),
]

TICKS = [0.5, 1, 1.5, 2, 3, 5, 10, 20, 50]

# Longer bars end at the edge.
LIMITS = {
    "norms": (0.7, 80), "quantized": (0.7, 80), "gradients": (0.7, 80), "matmuls": (0.7, 10),
    "blocks": (0.5, 10),
}

STYLE = {
    "font.size": 9, "font.family": "sans-serif", "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK, "svg.hashsalt": "peers",
    "svg.fonttype": "none",
}


def plot_name(run: dict) -> str | None:
    """The file that shows a run; only runs on one thread that hold our kernels are shown."""
    shown = run["threads"] == 1 and has_own(summaries(run))
    return f"{run['group']}.svg" if shown else None


def write_plots(runs: list[dict], folder: Path) -> None:
    for run in runs:
        name = plot_name(run)
        if name:
            pending = folder / f"{name}.pending"
            pending.write_text(_svg(run))
            pending.replace(folder / name)


def _subplot(case: Case) -> str:
    """The title of the subplot that a case is in."""
    if case.operation.blocks is not None:
        return case.operation.blocks
    return "fused products" if case.bare else case.operation.title


def _column(case: Case) -> str:
    """What the columns of subplots tell apart."""
    if case.operation.blocks is not None:
        return "by integers" if case.operation.by_integers else "by values"
    return case.storage


def _svg(run: dict) -> str:
    rows = summaries(run)
    titles = list(dict.fromkeys(_subplot(row.case) for row in rows))
    columns = list(dict.fromkeys(_column(row.case) for row in rows))
    peers = [
        peer for peer in PEERS if any(version.startswith(peer[0]) for version in run["peers"])]
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(
            len(titles), len(columns), figsize=(11, 2.2 * len(titles) + 0.8), sharey=True,
            squeeze=False, layout="constrained")
        for line, title in zip(axes, titles):
            for axis, column in zip(line, columns):
                chosen = [
                    row for row in rows
                    if _subplot(row.case) == title and _column(row.case) == column
                ]
                _draw(axis, f"{title}, {column}", chosen, peers, LIMITS[run["group"]])
            shown = [axis for axis in line if _bars(axis) > 0]
            for axis in line:
                axis.set_visible(axis in shown)
            if shown:
                shown[0].set_ylabel("peer's time by ours")
        # Only peers that have bars give the legend their colors.
        handles, labels = max(axes.flat, key=_bars).get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper center", ncols=len(peers) + 1, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    return text.getvalue()


def _bars(axis: Axes) -> int:
    """How many peers have bars."""
    return sum(len(container) > 0 for container in axis.containers)


def _draw(
    axis: Axes, title: str, rows: list[Summary], peers: list[Peer], limits: tuple[float, float]
) -> None:
    width = 0.8 / len(peers)
    for place, (label, names, color) in enumerate(peers):
        ratios = [_fastest(row, names) for row in rows]
        shown = [(i, ratio) for i, ratio in enumerate(ratios) if ratio is not None]
        offset = (place - (len(peers) - 1) / 2) * width
        # Bars begin at 1, where the peer is as fast as we are.
        axis.bar(
            [i + offset for i, _ in shown], [ratio - 1 for _, ratio in shown], width * 0.9,
            bottom=1, color=color, label=label)
    axis.axhline(1, color=INK, linewidth=1, label=f"{OWN} (1)")
    axis.set_yscale("log")
    axis.set_ylim(*limits)
    axis.yaxis.set_major_locator(FixedLocator(TICKS))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_tick_params(labelleft=True)
    axis.grid(axis="y", color=INK, alpha=0.25, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.set_title(title, fontsize=9)
    axis.set_xticks(range(len(rows)), [_label(row.case) for row in rows])
    axis.tick_params(length=0)
    for side in ["top", "right", "bottom"]:
        axis.spines[side].set_visible(False)


def _label(case: Case) -> str:
    """Several lines where one would meet its neighbours."""
    if case.bare:
        return "\n".join([*textwrap.wrap(case.operation.title, 18), case.shape])
    return case.shape.replace("×", "\n× ") if case.columns else case.shape


def _fastest(row: Summary, names: list[str]) -> float | None:
    """The ratio of the fastest of a peer's forms."""
    found = [each for name in names if (each := row.contender(name))]
    return min((each["ratio"]["median"] for each in found if each["ratio"]), default=None)

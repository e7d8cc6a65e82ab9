"""results.svg: the peers' times by ours, one thread, a panel for each operation and type."""

import io
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

from cases import OPERATIONS, STORAGES  # noqa: E402
from summary import OWN, Summary, summaries  # noqa: E402

# A mark that is readable on white and on black.
INK = "#808080"

# A peer is shown in its fastest form.
PEERS: list[tuple[str, list[str], str]] = [
    ("PyTorch", ["PyTorch eager", "torch.compile", "torch.compile, outputs given"], "#e0653a"),
    ("JAX", ["JAX"], "#9a7fd1"),
    ("ONNX Runtime", ["ONNX Runtime"], "#3f97d3"),
    ("OpenVINO", ["OpenVINO"], "#2fa37c"),
]

TICKS = [0.5, 1, 2, 5, 10, 20, 50]

# Longer bars end at the edge.
LIMITS = (0.7, 80)


def write_plot(runs: list[dict], path: Path) -> None:
    """Writes the plot of the runs on one thread that hold our kernels; nothing without one."""
    rows = [
        row for run in runs if run["threads"] == 1 for row in summaries(run) if row.contender(OWN)
    ]
    panels = [
        (operation.title, storage, chosen)
        for name, operation in OPERATIONS.items()
        for storage in STORAGES
        if (chosen := [r for r in rows if (r.case.operation.name, r.case.storage) == (name, storage)])
    ]
    if not panels:
        return
    style = {
        "font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
        "xtick.color": INK, "ytick.color": INK, "svg.hashsalt": "peers", "svg.fonttype": "none",
        "font.family": "sans-serif",
    }
    with pyplot.rc_context(style):
        lines = (len(panels) + 1) // 2
        figure, axes = pyplot.subplots(
            lines, 2, figsize=(11, 2.2 * lines + 0.8), sharey=True, squeeze=False,
            layout="constrained")
        for axis in axes.flat[len(panels):]:
            axis.set_visible(False)
        for axis, (title, storage, chosen) in zip(axes.flat, panels):
            _draw(axis, f"{title}, {storage}", chosen)
        for line in axes:
            line[0].set_ylabel("peer's time by ours")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper center", ncols=len(PEERS) + 1, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    pending = path.with_name(path.name + ".pending")
    pending.write_text(text.getvalue())
    pending.replace(path)


def _draw(axis: Axes, title: str, rows: list[Summary]) -> None:
    width = 0.8 / len(PEERS)
    for place, (label, names, color) in enumerate(PEERS):
        ratios = [_fastest(row, names) for row in rows]
        shown = [(i, ratio) for i, ratio in enumerate(ratios) if ratio is not None]
        offset = (place - (len(PEERS) - 1) / 2) * width
        # Bars begin at 1, where the peer is as fast as we are.
        axis.bar(
            [i + offset for i, _ in shown], [ratio - 1 for _, ratio in shown], width * 0.9,
            bottom=1, color=color, label=label)
    axis.axhline(1, color=INK, linewidth=1, label=f"{OWN} (1)")
    axis.set_yscale("log")
    axis.set_ylim(*LIMITS)
    axis.yaxis.set_major_locator(FixedLocator(TICKS))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_tick_params(labelleft=True)
    axis.grid(axis="y", color=INK, alpha=0.25, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.set_title(title, fontsize=9)
    axis.set_xticks(range(len(rows)), [row.case.shape for row in rows])
    axis.tick_params(length=0)
    for side in ["top", "right", "bottom"]:
        axis.spines[side].set_visible(False)


def _fastest(row: Summary, names: list[str]) -> float | None:
    """The ratio of the fastest of a peer's forms."""
    found = [each for name in names if (each := row.contender(name))]
    return min((each["ratio"]["median"] for each in found if each["ratio"]), default=None)

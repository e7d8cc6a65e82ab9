"""RESULTS.md: the ratios at a glance, where we lose, all times, and all errors."""

from cases import OPERATIONS, STORAGES, Case
from summary import OWN, Summary, summaries, time_text

HEAD = """# Compared with peers

Written by `make peers`; see [README.md](README.md) for what is compared and how.

Ratios are the time of the best peer, in any of its forms, by ours: above 1 we are faster. They are
medians over the rounds of one process in which all take turns, with quartiles where two numbers
follow. Absolute times drift with the machine.
"""

PLOT = """
![Times of the peers by ours, one thread](results.svg)
"""


def markdown(runs: list[dict]) -> str:
    plotted = any(run["threads"] == 1 and run["group"] == "norms" for run in runs)
    return "\n".join([HEAD + (PLOT if plotted else ""), *(_section(run) for run in runs)])


def _section(run: dict) -> str:
    rows = summaries(run)
    threads = "1 thread" if run["threads"] == 1 else f"{run['threads']} threads"
    compiler = " ".join(["`" + " ".join(run["compiler"]) + "`"])
    measured = any(row.contender(OWN) for row in rows)
    parts = [
        f"## {run['group'].capitalize()}, {threads}\n",
        f"{run['processor']}; {', '.join(run['peers'])}; {run['rounds']} rounds."
        + (f" Our kernels for {run['target']}, compiled by {compiler}." if measured else ""),
    ]
    if measured:
        parts += ["### Ratio to the best peer\n\n" + _overview(rows), _losses(rows)]
    else:
        parts.append("Our kernels are not in this run.")
    parts += [
        "### Times of one call\n\nThe best peer's is bold.\n\n" + _times(rows),
        "### Greatest errors\n\n" + ERRORS + "\n\n" + _errors(rows),
        _missing(rows),
    ]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


ERRORS = (
    "Against a Float64 reference, in units of the storage type's last place at the larger of the"
    " value and its row's root mean square. ✗: beyond what any order of summation in Float32 and"
    " any rounding of intermediates to the storage type explain; such a peer is not counted as best."
)


def _table(head: list[str], rows: list[list[str]], text_columns: int) -> str:
    rule = ["---"] * text_columns + ["--:"] * (len(head) - text_columns)
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _title(case: Case) -> str:
    return case.operation.title


def _overview(rows: list[Summary]) -> str:
    """Operations down, shapes across."""
    shapes = list(dict.fromkeys(row.case.shape for row in rows))
    by_place = {(r.case.operation.name, r.case.storage, r.case.shape): r for r in rows}
    lines = []
    for storage in STORAGES:
        for name, operation in OPERATIONS.items():
            cells = [by_place.get((name, storage, shape)) for shape in shapes]
            if any(cells):
                texts = [_ratio(cell) if cell else "" for cell in cells]
                lines.append([f"{operation.title}, {storage}", *texts])
    return _table(["", *shapes], lines, 1)


def _ratio(row: Summary) -> str:
    ratio = row.ratio
    if ratio is None:
        return ""
    text = f"{ratio.median:.2f}"
    return text if ratio.median >= 1 else f"**{text}**"


def _losses(rows: list[Summary]) -> str:
    compared = [row for row in rows if row.ratio]
    lost = [row for row in compared if row.ratio and row.ratio.median < 1]
    even = [row for row in compared if row.ratio and row.ratio.lower < 1 <= row.ratio.median]
    text = f"Faster than the best peer in {len(compared) - len(lost)} of {len(compared)} cases."
    if even:
        text += f" In {len(even)} of these the lower quartile is below 1: " + _names(even) + "."
    if lost:
        text += " **Slower** in: " + _names(lost) + "."
    return text


def _names(rows: list[Summary]) -> str:
    return "; ".join(
        f"{_title(row.case)} {row.case.storage} {row.case.shape} ({row.ratio.median:.2f}, {row.best})"
        for row in rows if row.ratio)


def _contenders(rows: list[Summary]) -> list[str]:
    """All names: ours, then the peers in the order of the first row that has them."""
    return list(dict.fromkeys(each["name"] for row in rows for each in row.row["contenders"]))


def _times(rows: list[Summary]) -> str:
    names = _contenders(rows)
    has_rates = any(row.case.floating_operations for row in rows)
    head = ["case", "type", "shape", *names, "ratio"]
    if has_rates:
        head += ["GFLOP/s", "best peer's"]
    lines = []
    for row in rows:
        line = [_title(row.case), row.case.storage, row.case.shape]
        for name in names:
            text = time_text(row.seconds(name))
            line.append(f"**{text}**" if text and name == row.best else text)
        ratio = row.ratio
        line.append(f"{ratio.median:.2f} ({ratio.lower:.2f}–{ratio.upper:.2f})" if ratio else "")
        if has_rates:
            line += [_rate(row, OWN), _rate(row, row.best)]
        lines.append(line)
    return _table(head, lines, 3)


def _rate(row: Summary, name: str | None) -> str:
    seconds = row.seconds(name) if name else None
    return f"{row.case.floating_operations / seconds * 1e-9:.0f}" if seconds else ""


def _errors(rows: list[Summary]) -> str:
    names = [name for name in _contenders(rows) if name != "NormGen through ctypes"]
    lines = []
    for row in rows:
        line = [_title(row.case), row.case.storage, row.case.shape]
        for name in names:
            found = row.contender(name)
            mark = " ✗" if found and found["part_of_bound"] > 1 else ""
            line.append(f"{found['error_units']:.2f}{mark}" if found else "")
        lines.append(line)
    return _table(["case", "type", "shape", *names], lines, 3)


def _missing(rows: list[Summary]) -> str:
    """Who lacks what, in the peers' own words, once each."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for peer, reason in row.row["missing"].items():
            reasons.setdefault((peer, reason), []).append(row.case.key)
    lines = [
        f"- {peer}: {', '.join(f'`{key}`' for key in keys)}: {reason}"
        for (peer, reason), keys in reasons.items()
    ]
    return "### Left blank\n\n" + "\n".join(lines) if lines else ""

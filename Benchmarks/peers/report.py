"""RESULTS.md: the ratios at a glance, where we lose, all times, and all errors."""

from cases import OPERATIONS, STORAGES, Case
from plot import plot_name
from problem import Role
from summary import OWN, Summary, has_own, summaries, time_text

HEAD = """# Compared with peers

Written by `make peers`; see [README.md](README.md) for what is compared and how.

Ratios are the time of the best peer, in any of its forms, by ours: above 1 we are faster. They are
medians over the rounds of one process in which all take turns, with quartiles where two numbers
follow. Absolute times drift with the machine."""

ERRORS = (
    "Against a Float64 reference, in units of the storage type's last place at the larger of the\n"
    "value and its row's root mean square. ✗: beyond what any order of summation in Float32 and any\n"
    "rounding of intermediates to the storage type explain; such a peer is not counted as best.")

BLOCK_ERRORS = (
    "Against a Float64 reference with the values that the formats define, in units of Float32's\n"
    "last place at the larger of the value and its row's root mean square. ✗: beyond what roundings\n"
    "in Float32 explain, and where products are by integers, what the contender documents that it\n"
    "makes of the rows, at most integers of 8 bits by a scale of their row; such a peer is not\n"
    "counted as best. Nor is one with coarser weights than the blocks, which its name says.")


def markdown(runs: list[dict]) -> str:
    return "\n\n".join([HEAD, *(_section(run) for run in runs)]) + "\n"


def _section(run: dict) -> str:
    rows = summaries(run)
    threads = "1 thread" if run["threads"] == 1 else f"{run['threads']} threads"
    title = f"## {run['group'].capitalize()}, {threads}"
    setting = f"{run['processor']}; {', '.join(run['peers'])}; {run['rounds']} rounds."
    parts = [title]
    if has_own(rows):
        command = " ".join(run["compiler"])
        setting += f"\nOur kernels for {run['target']}, compiled by `{command}`."
        parts += [setting, "### Ratio to the best peer", _overview(rows), _verdict(rows)]
        plot = plot_name(run)
        if plot:
            parts.append(f"![Times of the peers by ours]({plot})")
    else:
        parts += [setting, "We have no kernels in this run."]
    parts += [
        "### Times of one call", "The best peer's is bold.", _times(rows),
        "### Greatest errors", BLOCK_ERRORS if run["group"] == "blocks" else ERRORS,
        _errors(rows), _missing(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(head: list[str], rows: list[list[str]], text_columns: int) -> str:
    rule = ["---"] * text_columns + ["--:"] * (len(head) - text_columns)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *rows])


def _name(case: Case) -> str:
    return f"{case.operation.title} {case.storage} {case.shape}"


def _overview(rows: list[Summary]) -> str:
    """Operations down, shapes across. A ratio below 1 is bold."""
    shapes = list(dict.fromkeys(row.case.shape for row in rows))
    by_place = {(r.case.operation.name, r.case.storage, r.case.shape): r for r in rows}
    lines = []
    for storage in STORAGES:
        for name, operation in OPERATIONS.items():
            cells = [by_place.get((name, storage, shape)) for shape in shapes]
            if any(cells):
                ratios = [cell.ratio() if cell else None for cell in cells]
                texts = [f"{ratio.median:.2f}" if ratio else "" for ratio in ratios]
                texts = [f"**{t}**" if r and r.median < 1 else t for t, r in zip(texts, ratios)]
                lines.append([f"{operation.title}, {storage}", *texts])
    return _table(["", *shapes], lines, 1)


def _verdict(rows: list[Summary]) -> str:
    """Where we win, where we lose, and which goals are missed."""
    compared = [(row, ratio) for row in rows if (ratio := row.ratio())]
    lost = [(row, ratio.median) for row, ratio in compared if ratio.median < 1]
    won = len(compared) - len(lost)
    text = f"Faster than the best peer in {won} of {len(compared)} cases."
    if lost:
        named = [f"{_name(r.case)} ({ratio:.2f}, {r.best()['name']})" for r, ratio in lost]
        text += "\n**Slower** in " + "; ".join(named) + "."
    aimed = [
        (row, ratio.median, row.case.goal)
        for row in rows if (ratio := row.compared) and row.case.goal
    ]
    missed = [(row, ratio, goal) for row, ratio, goal in aimed if ratio < goal]
    if not aimed:
        return text
    text += f"\n\nThe goal for the ratio is reached in {len(aimed) - len(missed)} of {len(aimed)} cases"
    text += " that have one."
    if missed:
        named = [
            f"{_name(r.case)} ({ratio:.2f} of {goal:g}{' by the bare product' if r.case.bare else ''})"
            for r, ratio, goal in missed
        ]
        text += "\nMissed in " + "; ".join(named) + "."
    return text


def _names(rows: list[Summary]) -> list[str]:
    """All names of contenders: ours, then peers, in the order of the first row that has them."""
    roles: list[Role] = ["own", "peer", "lesser"]
    return list(dict.fromkeys(
        each["name"]
        for role in roles for row in rows for each in row.row["contenders"]
        if each["role"] == role))


def _times(rows: list[Summary]) -> str:
    names = _names(rows)
    is_product = any(row.case.floating_operations for row in rows)
    head = ["case", "type", "shape", *names, "ratio"]
    has_bare = any(row.case.bare for row in rows)
    if has_bare:
        head += ["best bare product", "ratio to it"]
    if is_product:
        head += ["our GFLOP/s", "best peer's"]
    lines = []
    for row in rows:
        line = [row.case.operation.title, row.case.storage, row.case.shape]
        best = row.best()
        for name in names:
            found = row.contender(name)
            text = time_text(found["seconds"]["median"]) if found else ""
            line.append(f"**{text}**" if found and found is best else text)
        line.append(_ratio(row, "peer"))
        if has_bare:
            bare = row.best("bare")
            line.append(
                f"{time_text(bare['seconds']['median'])}, {bare['name']}" if bare else "")
            line.append(_ratio(row, "bare"))
        if is_product:
            line += [_rate(row, row.contender(OWN)), _rate(row, best)]
        lines.append(line)
    return _table(head, lines, 3)


def _ratio(row: Summary, role: Role) -> str:
    ratio = row.ratio(role)
    return f"{ratio.median:.2f} ({ratio.lower:.2f}–{ratio.upper:.2f})" if ratio else ""


def _rate(row: Summary, contender: dict | None) -> str:
    if contender is None:
        return ""
    return f"{row.case.floating_operations / contender['seconds']['median'] * 1e-9:.0f}"


def _errors(rows: list[Summary]) -> str:
    names = [name for name in _names(rows) if not name.endswith("ctypes")]
    lines = []
    for row in rows:
        line = [row.case.operation.title, row.case.storage, row.case.shape]
        for name in names:
            found = row.contender(name)
            mark = " ✗" if found and found["part_of_bound"] > 1 else ""
            line.append(f"{_units(found['error_units'])}{mark}" if found else "")
        lines.append(line)
    return _table(["case", "type", "shape", *names], lines, 3)


def _units(error: float) -> str:
    return f"{error:.2f}" if error < 1000 else f"{error:.2g}"


def _missing(rows: list[Summary]) -> str:
    """Who lacks what, in the peers' own words, once each."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        # Those of blocks hold for all shapes.
        name = row.case.operation.title if row.case.operation.blocks else _name(row.case)
        for peer, reason in row.row["missing"].items():
            reasons.setdefault((peer, reason), []).append(name)
    lines = [
        f"- {peer}: {'; '.join(dict.fromkeys(names))}: {' '.join(reason.split())}"
        for (peer, reason), names in reasons.items()
    ]
    return "### Left blank\n\n" + "\n".join(lines) if lines else ""

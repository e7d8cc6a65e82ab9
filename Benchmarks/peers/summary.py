"""What a measured row says: our time, the best peer, and the ratio of their times."""

from dataclasses import dataclass

from cases import Case, all_cases
from timing import Spread

OWN = "NormGen"

CASES: dict[str, Case] = {case.key: case for case in all_cases()}


@dataclass(frozen=True)
class Summary:
    """One row of a run."""

    case: Case
    row: dict

    def contender(self, name: str) -> dict | None:
        return next((each for each in self.row["contenders"] if each["name"] == name), None)

    def seconds(self, name: str) -> float | None:
        """The median time of one call."""
        found = self.contender(name)
        return found["seconds"]["median"] if found else None

    @property
    def best(self) -> str | None:
        """The fastest of the peers whose results are right."""
        right = [
            each for each in self.row["contenders"]
            if each["is_peer"] and each["part_of_bound"] <= 1
        ]
        return min(right, key=lambda c: c["seconds"]["median"])["name"] if right else None

    @property
    def ratio(self) -> Spread | None:
        """The best peer's time by ours, round by round; above 1 we are faster."""
        return self.ratio_to(self.best) if self.best else None

    def ratio_to(self, name: str) -> Spread | None:
        own, other = self.contender(OWN), self.contender(name)
        if own is None or other is None:
            return None
        pairs = zip(other["rounds"], own["rounds"])
        return Spread.of([theirs / ours for theirs, ours in pairs])


def summaries(run: dict) -> list[Summary]:
    return [Summary(CASES[row["key"]], row) for row in run["rows"]]


def time_text(seconds: float | None) -> str:
    """Three significant digits with a unit."""
    if seconds is None:
        return ""
    for scale, unit in [(1e-3, "µs"), (1, "ms")]:
        value = seconds / (scale * 1e-3)
        if value < 999.5 or unit == "ms":
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    raise ValueError(f"no unit for {seconds} s")

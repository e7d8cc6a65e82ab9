"""What a measured row says: our time, the best peer, and the ratio of their times."""

from dataclasses import dataclass

from cases import Case, all_cases
from problem import Role
from timing import Spread

OWN = "NormGen"

CASES: dict[str, Case] = {case.key: case for case in all_cases()}


@dataclass(frozen=True)
class Summary:
    """One row of a run."""

    case: Case
    row: dict

    def contender(self, name: str, role: Role = "peer") -> dict | None:
        """A contender by name. Ours, and those that compute less, are found under any role."""
        return next(
            (each for each in self.row["contenders"]
             if each["name"] == name and each["role"] in (role, "own", "lesser")), None)

    def best(self, role: Role = "peer") -> dict | None:
        """The fastest of the peers whose results are right."""
        right = [
            each for each in self.row["contenders"]
            if each["role"] == role and each["part_of_bound"] <= 1
        ]
        return min(right, key=lambda each: each["seconds"]["median"], default=None)

    def ratio(self, role: Role = "peer") -> Spread | None:
        """The best peer's time by ours, round by round; above 1 we are faster."""
        best = self.best(role)
        return spread(best["ratio"]) if best and best["ratio"] else None

    @property
    def compared(self) -> Spread | None:
        """The ratio that the case's goal is about."""
        return self.ratio("bare" if self.case.bare else "peer")


def spread(numbers: dict) -> Spread:
    return Spread(**numbers)


def summaries(run: dict) -> list[Summary]:
    return [Summary(CASES[row["key"]], row) for row in run["rows"]]


def has_own(rows: list[Summary]) -> bool:
    return any(row.contender(OWN) for row in rows)


def time_text(seconds: float) -> str:
    """Three significant digits with a unit."""
    micro = seconds * 1e6
    value, unit = (micro, "µs") if micro < 999.5 else (micro / 1000, "ms")
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"

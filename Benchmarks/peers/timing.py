"""Times of several contenders that take turns, so that the machine's drift meets all."""

from dataclasses import dataclass
import statistics
import time

from problem import Contender


@dataclass(frozen=True)
class Spread:
    """The median and the quartiles of measured numbers."""

    median: float
    lower: float
    upper: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, lower, upper)

    @staticmethod
    def of_ratio(numerators: list[float], denominators: list[float]) -> "Spread":
        """Round by round."""
        return Spread.of([a / b for a, b in zip(numerators, denominators)])


def calibrated(contender: Contender, seconds: float) -> int:
    """How many calls fill `seconds`; at least one."""
    contender.repeat(1)
    count = 1
    while True:
        start = time.perf_counter()
        contender.repeat(count)
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count
        wanted = int(count * seconds / max(elapsed, 1e-9) * 1.1) + 1
        count = max(count + 1, min(wanted, count * 16))


def take_turns(
    contenders: list[Contender], rounds: int, seconds: float, pause: float
) -> list[list[float]]:
    """Seconds of one call, by contender and round.

    A sample is as many calls as fill `seconds`. An untimed call before it brings the contender's
    own data back into the caches. Before that all rest for `pause` seconds, so that the waiting
    threads of others go to sleep. The order rotates from round to round.
    """
    counts = [calibrated(contender, seconds) for contender in contenders]
    times: list[list[float]] = [[] for _ in contenders]
    for turn in range(rounds):
        for step in range(len(contenders)):
            index = (turn + step) % len(contenders)
            if pause > 0:
                time.sleep(pause)
            repeat, count = contenders[index].repeat, counts[index]
            repeat(1)
            start = time.perf_counter()
            repeat(count)
            times[index].append((time.perf_counter() - start) / count)
    return times

"""Times of peers that alternate in one process, and the claims made of them."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

Call = Callable[[], Any]

# A call longer than this is not disturbed by the few milliseconds that the threads of
# the peer before it go on spinning, or by cold caches. Shorter ones are made untimed until
# that is over.
_LONG = 0.2
_WARM = 0.02


def seconds(call: Call) -> float:
    """Times one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def warm(call: Call) -> None:
    """Makes a call again and again, untimed."""
    end = time.perf_counter() + _WARM
    call()
    while time.perf_counter() < end:
        call()


def alternate(
    calls: Mapping[str, Call],
    rounds: int,
    *,
    optional: Collection[str] = (),
    longest: float = 2.0,
    budget: float = 40.0,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Times all calls in turn, so that a busy machine slows all of them.

    Args:
        calls: What to time; a call returns when its result is there.
        rounds: Timed calls of each; fewer, but at least 3, where ``budget`` ends before.
        optional: Names left out if they fail or need more than ``longest`` a call.
        longest: Seconds that an optional call may take.
        budget: Seconds to spend on all.

    Returns:
        ``{name: seconds (rounds,)}`` and ``{name: why it was left out}``.
    """
    once, left_out = {}, {}
    for name, call in calls.items():
        try:
            call()
            once[name] = seconds(call)
        except Exception as error:
            if name not in optional:
                raise
            left_out[name] = reason(error)
            continue
        if name in optional and once[name] > longest:
            left_out[name] = f"{once.pop(name):.1f} s a call"
    rounds = min(rounds, max(3, int(budget / (2 * sum(once.values())))))
    times = {name: np.empty(rounds) for name in once}
    for i in range(rounds):
        for name in once:
            if once[name] < _LONG:
                warm(calls[name])
            times[name][i] = seconds(calls[name])
    return times, left_out


def reason(error: BaseException) -> str:
    """Returns the kind and the first line of an error, to be recorded."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def spread(values: np.ndarray, digits: int = 4) -> dict[str, Any]:
    """Returns median and quartiles."""
    low, middle, high = (float(f"{q:.{digits}g}") for q in np.quantile(values, (0.25, 0.5, 0.75)))
    return {"median": middle, "quartiles": [low, high]}


def summary(times: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns milliseconds of all, and how many times as long as ours the others take.

    A speed-up is the median over rounds of the ratio within a round.
    """
    return {
        "milliseconds": {name: spread(1e3 * t) for name, t in times.items()},
        "speed_up": {
            name: spread(t / times["ours"]) for name, t in times.items() if name != "ours"
        },
    }


def shown(row: Mapping[str, Any]) -> str:
    """Returns the lines that a script prints of one row."""
    times = ", ".join(f"{name} {t['median']}" for name, t in row["milliseconds"].items())
    ratios = ", ".join(f"{name} {t['median']}" for name, t in row["speed_up"].items())
    lines = [row["label"], f"  ms: {times}, floor {row['floor']:.3g}", f"  over ours: {ratios}"]
    return "\n".join(lines + [f"  without {name}: {why}" for name, why in row["left_out"].items()])


class Claim(NamedTuple):
    """What a figure of a row has to keep: at least or at most a bound."""

    row: str
    figure: str
    value: float
    kind: str  # "least" or "most"
    bound: float

    def holds(self) -> bool:
        """Compares; a figure that is not a number keeps nothing."""
        return self.value >= self.bound if self.kind == "least" else self.value <= self.bound


def check(claims: Iterable[Claim]) -> None:
    """Asserts all claims, and names every one that fails."""
    failed = [c for c in claims if not c.holds()]
    lines = [
        f"{c.row}: {c.figure} is {c.value:.3g}, claimed at {c.kind} {c.bound:g}" for c in failed
    ]
    assert not failed, "\n".join(["claims that do not hold:", *lines])

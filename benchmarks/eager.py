"""What a call without a user's ``jit`` costs: its time over that of a compiled one.

Every public function checks its arguments and then calls a function that it has compiled
once. At a size where the work itself is next to nothing, the rest is what this measures.
Threads of XLA that wait for a moment fall asleep, so that a call costs more after other work
of Python than in a loop: that is measured as well.

Run it with ``python -m benchmarks eager``.
"""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import _options, _record, _timing
from benchmarks._inputs import Size, draw
from benchmarks._timing import Call, Claim
from spacelearn_jax import combined_loss, loss, solve_subspaces

# A compiled call of the stability loss takes less than threads need to wake up, if they fell
# asleep while its arguments were checked: it is held against one after as much Python.
CLAIMS = {"eager over compiled": 3.0, "eager over compiled after as much Python": 3.0}
BRIEF = ("stability_loss",)
SIZE = Size.equal(128, 32, 4, 4, 16)
K = 4
PAUSE = 40e-6  # seconds of other work, as long as the checks of eight matrices
QUICK = ("alignment_loss", "stability_loss")

# Z, W, A, Y and W_prev, by which of them a function takes.
FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "alignment_loss": (loss.alignment_loss, "ZWAY"),
    "disentanglement_loss": (loss.disentanglement_loss, "ZW"),
    "disentanglement_loss_original": (loss.disentanglement_loss_original, "ZW"),
    "isotropy_loss": (loss.isotropy_loss, "ZW"),
    "stability_loss": (loss.stability_loss, "WP"),
    "combined_loss": (combined_loss, "ZWAYP"),
    "solve_subspaces": (functools.partial(solve_subspaces, k=K), "ZY"),
}


def repeated(function: Callable[..., Any], given: tuple[Any, ...], times: int) -> Call:
    """Returns several calls in a row: one alone is too short to be timed."""

    def call() -> None:
        for _ in range(times):
            jax.block_until_ready(function(*given))

    return call


def after_work(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keeps Python busy for a moment before every call."""

    def call(*given: Any) -> Any:
        end = time.perf_counter() + PAUSE
        while time.perf_counter() < end:
            pass
        return function(*given)

    return call


def measure(name: str, rounds: int, times: int) -> dict[str, Any]:
    """Alternates the public call and the same under ``jit``."""
    function, letters = FUNCTIONS[name]
    inputs = dict(zip("ZWAYP", jax.tree.map(jnp.asarray, tuple(draw(SIZE))), strict=True))
    given = tuple(inputs[letter] for letter in letters)
    compiled = jax.jit(function)
    calls = {
        "eager": repeated(function, given, times),
        "compiled": repeated(compiled, given, times),
        "after work": repeated(after_work(compiled), given, times),
    }
    samples, _ = _timing.alternate(calls, rounds)
    samples["after work"] -= times * PAUSE
    return {
        "microseconds": {n: _timing.spread(1e6 * t / times) for n, t in samples.items()},
        "ratio": _timing.spread(samples["eager"] / samples["compiled"]),
        "ratio after work": _timing.spread(samples["eager"] / samples["after work"]),
    }


def claims(rows: dict[str, Any]) -> list[Claim]:
    """Holds all functions against ``CLAIMS``."""
    general, awake = CLAIMS
    out = []
    for name, row in rows.items():
        if name not in BRIEF:
            out.append(Claim(name, general, row["ratio"]["median"], "most", CLAIMS[general]))
        out.append(Claim(name, awake, row["ratio after work"]["median"], "most", CLAIMS[awake]))
    return out


def run(options: argparse.Namespace) -> None:
    """Measures and saves; then asserts, unless it was a quick look."""
    rows = {}
    for name in QUICK if options.quick else FUNCTIONS:
        rows[name] = measure(name, options.rounds, 2 if options.quick else 50)
        times = ", ".join(f"{n} {t['median']}" for n, t in rows[name]["microseconds"].items())
        print(f"{name}: {rows[name]['ratio']['median']}; us: {times}", flush=True)
    results = {"rounds": options.rounds, "claims": CLAIMS, "size": SIZE.as_dict()}
    _record.save("eager", results | {"functions": rows}, options.out)
    if not options.quick:
        _timing.check(claims(rows))


def main() -> None:
    """Reads the command line."""
    run(_options.parser(__doc__, rounds=15).parse_args())


if __name__ == "__main__":
    main()

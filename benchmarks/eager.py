"""What a call without a user's ``jit`` costs: its time over that of a compiled one.

Every public function checks its arguments and then calls a function that it has compiled
once; some are compiled with their checks. At a size where the work itself is next to nothing,
the rest is what this measures. Threads of XLA that wait for 10 us fall asleep and take 30 us
to wake up, so that checks may cost more than the time they take.

Run it with ``python -m benchmarks eager``.
"""

import argparse
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import _options, _record, _timing
from benchmarks._inputs import Size, draw
from benchmarks._timing import Call, Claim
from spacelearn_jax import combined_loss, loss, solve_subspaces

CLAIMS = {"eager over compiled": 3.0}
SIZE = Size.equal(128, 32, 4, 4, 16)
K = 4
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


def measure(name: str, rounds: int, times: int) -> dict[str, Any]:
    """Alternates the public call and the same under ``jit``."""
    function, letters = FUNCTIONS[name]
    inputs = dict(zip("ZWAYP", jax.tree.map(jnp.asarray, tuple(draw(SIZE))), strict=True))
    given = tuple(inputs[letter] for letter in letters)
    compiled = jax.jit(function)
    calls = {
        "eager": repeated(function, given, times),
        "compiled": repeated(compiled, given, times),
    }
    samples, _ = _timing.alternate(calls, rounds)
    return {
        "microseconds": {n: _timing.spread(1e6 * t / times) for n, t in samples.items()},
        "ratio": _timing.spread(samples["eager"] / samples["compiled"]),
    }


def claims(rows: dict[str, Any]) -> list[Claim]:
    """Holds all functions against ``CLAIMS``."""
    ((figure, bound),) = CLAIMS.items()
    return [Claim(n, figure, row["ratio"]["median"], "most", bound) for n, row in rows.items()]


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

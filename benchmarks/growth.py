"""What grows with the number of quantities, with the batch and with time.

- compilation: tracing and compiling the combined loss' value and gradient, and
  ``solve_subspaces``, with 4, 16 and 64 quantities of one shape;
- memory: what a compiled value and gradient of the combined loss needs beside its inputs;
- steps: the memory of the process over thousands of steps of a small train loop.

Run it with ``python -m benchmarks growth``.
"""

import argparse
import pathlib
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _options, _record, _timing
from benchmarks._inputs import Size, draw
from benchmarks._timing import Claim
from benchmarks.losses import QUICK_SIZES, SIZES
from spacelearn_jax import combined_loss, solve_subspaces
from spacelearn_jax.training import track_subspaces

CLAIMS = {
    "compilation of combined, most quantities over least": 2.0,
    "compilation of solve_subspaces, most quantities over least": 2.0,
    "temporary and output bytes over what is allowed": 1.0,
    "MiB that the process grew by": 16.0,
}
# What is allowed beside the inputs, in float32: this many times K^2 + min(B, D)^2. The
# eigenproblem holds its matrix, the vectors and a workspace of twice that.
INPUTS, SQUARES = 3, 4
MiB = 2**20


def gradient(*inputs: Any) -> tuple[jax.Array, jax.Array]:
    """Value and gradient of the combined loss with respect to the latents."""
    return jax.value_and_grad(combined_loss)(*inputs)


def compilation(quantities: tuple[int, ...], rounds: int, warm_up: int = 1) -> dict[str, Any]:
    """Times tracing and compiling from nothing, alternating over the numbers of quantities."""
    programs: dict[str, tuple[Callable[..., Any], Callable[[Any], tuple[Any, ...]]]] = {
        "combined": (gradient, tuple),
        "solve_subspaces": (
            lambda Z, Y: solve_subspaces(Z, Y, k=4),
            lambda inputs: (inputs.Z, inputs.Y),
        ),
    }
    out = {}
    for name, (function, takes) in programs.items():
        times = {Q: np.empty((rounds, 2)) for Q in quantities}
        # The first round loads what compiles, whichever program it is.
        for i in range(-warm_up, rounds):
            for Q in quantities:
                given = takes(draw(Size.equal(256, 256, Q, 4, 16)))
                jax.clear_caches()
                start = time.perf_counter()
                lowered = jax.jit(function).lower(*given)
                traced = time.perf_counter()
                lowered.compile()
                times[Q][max(i, 0)] = traced - start, time.perf_counter() - traced
        both = {Q: t.sum(axis=1) for Q, t in times.items()}
        out[name] = {
            "trace": {Q: _timing.spread(t[:, 0]) for Q, t in times.items()},
            "compile": {Q: _timing.spread(t[:, 1]) for Q, t in times.items()},
            "ratio": _timing.spread(both[max(quantities)] / both[min(quantities)]),
        }
        print(f"{name}: {max(quantities)} quantities over {min(quantities)}, {out[name]['ratio']}")
    return out


def memory(size: Size) -> dict[str, Any]:
    """Reads from the compiled value and gradient how much memory it needs."""
    arguments = tuple(draw(size))
    analysis = jax.jit(gradient).lower(*arguments).compile().memory_analysis()
    # Counted here: the compiler drops inputs whose values it does not need.
    inputs = sum(x.nbytes for x in jax.tree.leaves(arguments))
    squares = 4 * (size.K**2 + min(size.B, size.D) ** 2)
    used = analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    allowed = INPUTS * inputs + SQUARES * squares
    row = {
        "label": str(size),
        "size": size.as_dict(),
        "inputs": inputs,
        "temporary": analysis.temp_size_in_bytes,
        "output": analysis.output_size_in_bytes,
        "squares": squares,
        "over_inputs": used / inputs,
        "over_allowed": used / allowed,
    }
    print(f"memory, {size}: {used / inputs:.2f} times the inputs, {used / allowed:.2f} of allowed")
    return row


def resident() -> int:
    """Returns the bytes of memory that the process has now, or the most it had."""
    statm = pathlib.Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def steps(number: int) -> dict[str, Any]:
    """Trains a linear encoder for some steps, and reads the process' memory on the way."""
    inputs = draw(Size.equal(64, 16, 3, 2, 8))
    x, Y = jax.tree.map(jnp.asarray, (inputs.Z, inputs.Y))
    tracker = track_subspaces(2, every=100)

    @jax.jit
    def step(M: jax.Array, state: Any) -> tuple[jax.Array, Any, jax.Array]:
        def total(M: jax.Array) -> tuple[jax.Array, Any]:
            Z = x @ M
            new = tracker.update(Z, Y, state)
            return combined_loss(Z, new.space.W, new.space.A, Y, new.W_prev), new

        (value, state), slope = jax.value_and_grad(total, has_aux=True)(M)
        return M - 1e-3 * slope, state, value

    M = jnp.eye(16)
    state = tracker.init(x @ M, Y)
    # A tenth more, first: allocators keep what the first steps ask them for.
    for _ in range(number // 10):
        M, state, value = step(M, state)
    jax.block_until_ready(value)
    read = [resident()]
    for i in range(number):
        M, state, value = step(M, state)
        if (i + 1) % (number // 10) == 0:
            value.block_until_ready()
            read.append(resident())
    grown = (read[-1] - read[0]) / MiB
    print(f"{number} steps: grown by {grown:.2f} MiB")
    return {"steps": number, "resident_MiB": [r / MiB for r in read], "grown_MiB": grown}


def claims(results: dict[str, Any]) -> list[Claim]:
    """Holds all figures against ``CLAIMS``."""
    *_, allowed, grown = CLAIMS
    rows = [
        (n, f"compilation of {n}, most quantities over least", row["ratio"]["median"])
        for n, row in results["compilation"].items()
    ]
    rows += [(row["label"], allowed, row["over_allowed"]) for row in results["memory"]]
    rows.append((f"{results['steps']['steps']} steps", grown, results["steps"]["grown_MiB"]))
    return [Claim(row, figure, value, "most", CLAIMS[figure]) for row, figure, value in rows]


def run(options: argparse.Namespace) -> None:
    """Measures and saves; then asserts, unless it was a quick look."""
    results = {
        "rounds": options.rounds,
        "claims": CLAIMS,
        "allowed": {"times the inputs": INPUTS, "times K^2 + min(B, D)^2": SQUARES},
        # First, while the process has but little memory.
        "steps": steps(200 if options.quick else 10_000),
        "memory": [memory(size) for size in (QUICK_SIZES if options.quick else SIZES)],
        "compilation": (
            compilation((1, 2), 1, 0) if options.quick else compilation((4, 16, 64), options.rounds)
        ),
    }
    _record.save("growth", results, options.out)
    if not options.quick:
        _timing.check(claims(results))


def main() -> None:
    """Reads the command line."""
    run(_options.parser(__doc__, rounds=5).parse_args())


if __name__ == "__main__":
    main()

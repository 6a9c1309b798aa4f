"""Memory and speed of ``fit_stream``: rows of D = 256 latents, alike or not, and their targets.

Run ``python -m benchmarks.streaming``: it streams a tenth of the rows and all of them (10 million;
``--rows`` for fewer), each in a process of its own, compares their peak memory, measures the
throughput against the bare matrix products of the same batches, taken in turns, and ends in
asserted claims. With ``--record`` it writes ``results/streaming.json``.

The bare products are one of each kind. Latents that are correlated are turned to principal
axes first, which takes another; standard deviations along those span two decades here. The
first 32,768 rows take two to three products in place of one.
"""

import argparse
import itertools
import resource
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax import fit_stream

D, B = 256, 8192
TARGETS = {"one of 64": (64,), "four of 256": (256,) * 4}
LATENTS = ("uncorrelated", "correlated")
NARROW = "one of 64"
MEMORY_CLAIM = 1.2
SPEED_CLAIM = 0.6
ROUNDS = 5


def stream(rows, widths, latents="correlated", pool=4):
    """Yields batches of a few that were drawn before: drawing would take longest."""
    rng = np.random.default_rng(0)
    mix = np.eye(D, dtype=np.float32)
    if latents == "correlated":
        turn = np.linalg.qr(rng.standard_normal((D, D)))[0]
        mix = (np.logspace(0, -2, D)[:, None] * turn).astype(np.float32)
    drawn = []
    for _ in range(pool):
        Z = rng.standard_normal((B, D), dtype=np.float32) @ mix + 3
        noise = (rng.standard_normal((B, p), dtype=np.float32) for p in widths)
        drawn.append((Z, {f"field{i}": Z[:, : e.shape[1]] + e for i, e in enumerate(noise)}))
    for i in range(-(-rows // B)):
        left = rows - i * B
        Z, Y = drawn[i % pool]
        yield (Z, Y) if left >= B else (Z[:left], {q: y[:left] for q, y in Y.items()})


def measured_peak(rows):
    """Returns the peak memory in MiB of a process that streams this many rows."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.streaming", "--child", str(rows)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def child(rows):
    """Streams, and prints the peak."""
    jax.block_until_ready(fit_stream(stream(rows, TARGETS[NARROW]), k=16))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@jax.jit
def products(sums, Z, Y):
    """Adds the products that a stream can't do without."""

    def product(a, b):
        return jnp.matmul(a.T, b, precision=jax.lax.Precision.HIGHEST)

    new = product(Z, Z), [(product(Z, y), product(y, y)) for y in Y.values()]
    return jax.tree.map(jnp.add, sums, new)


def seconds(rows, widths, latents):
    """Returns the median seconds of a stream and of bare products, and of their ratio."""

    def zero(*shape):
        return jnp.zeros(shape, jnp.float32)

    zeros = zero(D, D), [(zero(D, p), zero(p, p)) for p in widths]
    batches = list(stream(B * 4, widths, latents))
    times = {"stream": [], "products": []}

    def bare():
        sums = zeros
        for i in range(rows // B):
            Z, Y = batches[i % len(batches)]
            sums = products(sums, Z, Y)
        jax.block_until_ready(sums)

    def whole():
        some = (batches[i % len(batches)] for i in range(rows // B))
        jax.block_until_ready(fit_stream(some, k=16))

    bare(), whole()
    for _ in range(ROUNDS):
        for name, run in (("products", bare), ("stream", whole)):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    ratios = [p / s for p, s in zip(times["products"], times["stream"], strict=True)]
    return (*(statistics.median(times[name]) for name in times), statistics.median(ratios))


def main():
    """Measures, prints and asserts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--timed-rows", type=int, default=128 * B)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    few, many = measured_peak(options.rows // 10), measured_peak(options.rows)
    print(
        f"peak of {options.rows // 10:,} rows: {few:.0f} MiB, of {options.rows:,}: {many:.0f} MiB"
    )
    speed, share = {}, {}
    for (target, widths), latents in itertools.product(TARGETS.items(), LATENTS):
        name = f"{latents}, {target}"
        streamed, bare, share[name] = seconds(options.timed_rows, widths, latents)
        speed[name] = options.timed_rows / streamed
        rate = options.timed_rows / bare
        print(f"{name}: {speed[name]:,.0f} rows/s, {share[name]:.2f} of bare products' {rate:,.0f}")
    if options.record:
        from benchmarks import _record

        results = {
            "rows": options.rows,
            "peak_mib": {"tenth": few, "all": many, "ratio": many / few},
            "rows_per_second": speed,
            "share_of_bare_products": share,
        }
        _record.save("streaming", results)
    assert many < MEMORY_CLAIM * few, f"{many / few:.2f} times the memory"
    for name, got in share.items():
        assert got > SPEED_CLAIM, f"{name}: {got:.2f} of the bare products' speed"


if __name__ == "__main__":
    main()

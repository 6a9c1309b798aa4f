"""Value and gradient of the losses against spacelearn 0.1.0, in one process.

Needs the extra ``parity``. Run ``python benchmarks/losses.py``: it prints a table of medians and
ends in an asserted claim, the least speed-up of the disentanglement loss over the original.
"""

import contextlib
import functools
import io
import platform
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import spacelearn
import spacelearn.loss
import torch
from spacelearn.settings import config

from spacelearn_jax import combined_loss, solve_subspaces
from spacelearn_jax.loss import disentanglement_loss

SIZES = ((256, 64, 4, 4, 64), (1024, 256, 8, 16, 64))
CLAIM = 3.0


def median_ms(calls, rounds=15):
    """Alternates between the calls, and returns the median of each in milliseconds."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def measure(B, D, Q, k, p):
    """Returns the medians of torch and JAX for each loss at one size."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(B, D)).astype(np.float32)
    Y = {f"q{i:02d}": rng.normal(size=(B, p)).astype(np.float32) for i in range(Q)}
    space = solve_subspaces(Z, Y, k=k)
    W, A, z = dict(space.W), dict(space.A), jnp.asarray(Z)
    tW, tA, tY = ({q: torch.tensor(np.asarray(x)) for q, x in m.items()} for m in (W, A, Y))
    ours = {
        "disentanglement": jax.jit(jax.value_and_grad(lambda z: disentanglement_loss(z, W))),
        "combined": jax.jit(jax.value_and_grad(lambda z: combined_loss(z, W, A, Y, W))),
    }
    theirs = {
        "disentanglement": lambda z: spacelearn.loss.disentanglement_loss(z, tW),
        "combined": lambda z: spacelearn.combined_loss(z, tW, tA, tY, tW),
    }

    def run_torch(name):
        leaf = torch.tensor(Z, requires_grad=True)
        with contextlib.redirect_stdout(io.StringIO()):
            theirs[name](leaf).backward()

    return {
        name: median_ms(
            {
                "torch": functools.partial(run_torch, name),
                "jax": lambda name=name: jax.block_until_ready(ours[name](z)),
            }
        )
        for name in ours
    }


def main():
    """Prints the table and asserts the claim."""
    config.solver_mode = "svd"
    print(f"{platform.machine()}, jax {jax.__version__}, torch {torch.__version__}, float32, CPU")
    ratios = []
    for size in SIZES:
        for name, ms in measure(*size).items():
            ratio = ms["torch"] / ms["jax"]
            print(f"{size} {name}: torch {ms['torch']:.2f} ms, jax {ms['jax']:.2f} ms, {ratio:.1f}")
            if name == "disentanglement":
                ratios.append(ratio)
    assert min(ratios) >= CLAIM, ratios


if __name__ == "__main__":
    main()

"""A run over a stream that may be killed anywhere; ``interrupted.py FOLDER`` starts it."""

import sys
import time
from pathlib import Path

import numpy as np

from spacelearn_jax import fit_stream
from spacelearn_jax.io import save_space

N, B, D = 60, 50, 6


def batches(pause=0.0):
    """Yields batches of two sizes, all far from 0."""
    for i in range(N):
        rng = np.random.default_rng(i)
        rows = B if i % 7 else B - 13
        Z = rng.normal(size=(rows, D)).astype(np.float32) + 1e3
        noise = rng.normal(size=(rows, 3)).astype(np.float32)
        time.sleep(pause)
        yield Z, {"p": Z[:, :3] + noise, "s": Z[:, 4] - 2 * Z[:, 5]}


def main(folder):
    """Runs to the end, if it may."""
    space = fit_stream(
        batches(0.02), k=2, batch_size=32, checkpoint=folder / "state", checkpoint_every=0
    )
    save_space(folder / "space.npz", space)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

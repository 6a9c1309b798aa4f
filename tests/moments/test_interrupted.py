"""A run that is killed at any moment ends as one that was not."""

import random
import subprocess
import sys
import time

import jax
import numpy as np

from spacelearn_jax import fit_stream
from spacelearn_jax.io import load_space

from ..environment import compiled_alike
from . import interrupted


def start(folder):
    command = [sys.executable, interrupted.__file__, str(folder)]
    return subprocess.Popen(command, env=compiled_alike())


def test_kill_and_resume(tmp_path):
    expected = fit_stream(interrupted.batches(), k=2, batch_size=32)
    rng = random.Random(time.time_ns())
    kills = 0
    for _ in range(3):
        run = start(tmp_path)
        # Starting takes a while; only what comes after can be interrupted.
        while not (tmp_path / "state").exists() and run.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 1.2) if kills else rng.uniform(0.0, 0.4))
        if run.poll() is None:
            run.kill()
            kills += 1
        run.wait()
        if (tmp_path / "space.npz").exists():
            break
    assert kills
    if not (tmp_path / "space.npz").exists():
        assert start(tmp_path).wait(timeout=300) == 0
    got = load_space(tmp_path / "space.npz")
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)

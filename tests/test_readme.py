"""The README's Python runs, and does what the README says."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def run(block: str) -> dict:
    scope: dict = {}
    # As a reader runs it: optax's Adam relies on JAX's default promotion.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile(block, str(README), "exec"), scope)
    return scope


def test_readme_has_examples():
    assert sum("@nnx.jit" in block for block in BLOCKS) >= 2


SEVERAL = [block for block in BLOCKS if "jax.distributed" in block]
ALONE = [block for block in BLOCKS if block not in SEVERAL]


@pytest.mark.parametrize("block", ALONE, ids=range(len(ALONE)))
def test_readme_block_runs(block):
    scope = run(block)
    if "@nnx.jit" in block:
        check_train_step(scope)


def check_train_step(scope: dict) -> None:
    """Requires that each quantity can be read from its own subspace."""
    x, Y = scope["x"], scope["Y"]
    encoder = scope["model"].encoder if "model" in scope else scope["encoder"]
    decoded = scope["space"].decode(encoder(x))
    assert scope["readout"]["energy"].shape == (5,)
    assert scope["readout"]["first"].shape == (5, 3)
    for name, y in Y.items():
        residual = np.var(np.asarray(decoded[name] - y))
        assert residual < 0.1 * np.var(np.asarray(y)), name


def test_readme_has_the_numbers_of_the_demonstration():
    measured = json.loads((README.parent / "benchmarks" / "results" / "demo.json").read_text())
    guided, unguided = measured["guided"], measured["unguided"]
    k, text = measured["sizes"]["k"], README.read_text()
    names = {"energy": "kinetic energy", "strain": "strain rate"}
    for q in k:
        figures = (model[part][q] for model in (guided, unguided) for part in ("r2", "ceiling"))
        cells = " | ".join(f"{x:.3f}" for x in figures)
        assert f"| {names.get(q, q)} | {k[q]} | {cells} |" in text
    means = [model[f"mean_{part}"] for model in (guided, unguided) for part in ("r2", "ceiling")]
    first, *others = (f"{x:.3f}" for x in means)
    assert f"| mean | | **{first}** | {' | '.join(others)} |" in text
    errors = (model["relative_reconstruction_error"] for model in (guided, unguided))
    price = measured["comparison"]["reconstruction_ratio"]
    own, other = (f"{x:.3f}" for x in errors)
    assert f"{price:.2f} times that of the unguided" in text
    assert f"{own} against {other}" in text


def test_readme_block_for_processes_runs_in_two(tmp_path):
    (block,) = SEVERAL
    check = """
for q in space.W:
    a, b = (np.asarray(s.W[q]) for s in (space, same))
    np.testing.assert_allclose(a.T @ a, b.T @ b, atol=1e-4)
assert float(m.count) == 10 * 256 * count
"""
    program = tmp_path / "train.py"
    program.write_text(block + check)
    with socket.socket() as s:
        s.bind(("localhost", 0))
        coordinator = f"localhost:{s.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, str(program), coordinator, "2", str(i)],
            env=os.environ | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    try:
        said = [process.communicate(timeout=200)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said

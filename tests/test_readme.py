"""The README's Python runs, and does what the README says."""

import pathlib
import re

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


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
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

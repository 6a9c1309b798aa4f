"""Quantities that are solved as one stack know nothing of one another."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import Moments, _stacks, solve_subspaces, subspaces
from spacelearn_jax.optim import fit_decoders

SHAPES = {"a": (3,), "b": (3,), "c": (), "d": (3,), "e": (2, 2)}


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(60, 7)).astype(np.float32)
    Y = {q: rng.normal(size=(60, *shape)).astype(np.float32) for q, shape in SHAPES.items()}
    return Z, {q: y + Z[:, :1].reshape(60, *[1] * (y.ndim - 1)) for q, y in Y.items()}


def assert_same(got, expected):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5), got, expected)


def test_equal_keys_make_a_group():
    assert _stacks.alike({"a": 1, "b": 2, "c": 1}) == [("a", "c"), ("b",)]


@pytest.mark.parametrize("n", [1, 3, 8, 9, 14])
def test_each_part_is_seen_alone(n):
    x, y = jnp.arange(2.0 * n).reshape(n, 2), jnp.arange(n, dtype=jnp.float32)
    np.testing.assert_array_equal(_stacks.each(lambda x, y: x * y, x, y), x * y[:, None])


@pytest.mark.parametrize(("n", "times"), [(1, 1), (8, 8), (64, 4)])
def test_a_long_stack_is_not_compiled_part_by_part(n, times):
    factored = jax.jit(lambda x: _stacks.each(jnp.linalg.cholesky, x)).lower(jnp.ones((n, 2, 2)))
    assert len(re.findall("custom_call_target=.*potrf", factored.compile().as_text())) == times


def solved(Z, Y, where=None, *, moments):
    if moments:
        return solve_subspaces(Moments.from_batch(Z, Y, where), k=2)
    return solve_subspaces(Z, Y, k=2, where=where)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("moments", [False, True])
def test_together_is_one_by_one(batch, moments, masked):
    Z, Y = batch
    rng = np.random.default_rng(1)
    where = {q: rng.random(60) < 0.8 for q in Y} if masked else None
    whole = solved(Z, Y, where, moments=moments)
    for q in "bce":  # one in the middle of a stack, and two that are alone in theirs
        alone = solved(Z, {q: Y[q]}, where and {q: where[q]}, moments=moments)
        assert_same(whole[q], alone[q])


def test_single_functions_stack_as_well(batch):
    Z, Y = batch
    space = solve_subspaces(Z, Y, k=2)
    bases = subspaces(Z, Y, 2)
    assert_same(bases, space.W)
    assert_same(fit_decoders(bases, Z, Y), space.A)


@pytest.mark.parametrize("moments", [False, True])
def test_a_bad_quantity_spoils_itself_alone(batch, moments):
    Z, Y = batch
    bad = Y["b"].copy()
    bad[3, 1] = np.nan
    good, spoiled = (solved(Z, y, moments=moments) for y in (Y, Y | {"b": bad}))
    for q in Y:
        for x, y in zip(good[q], spoiled[q], strict=True):
            assert np.isnan(y).any() if q == "b" else np.array_equal(x, y)


HANGS = {
    "solves": """
from spacelearn_jax import solve_subspaces
Z = rng.normal(size=(4, 1024, 128)).astype(np.float32)
Y = {f"q{i}": rng.normal(size=(4, 1024, 16)).astype(np.float32) for i in range(6)}
many = jax.jit(jax.vmap(lambda Z, Y: solve_subspaces(Z, Y, k=8)))
inputs = Z, Y
""",
    "gradients": """
from spacelearn_jax.linalg import principal_angles
W = [np.linalg.qr(rng.normal(size=(16, 200, 24)))[0].mT for _ in range(16)]
inputs = ([jax.numpy.asarray(w, "float32") for w in W],)
def angles(W):
    return sum(principal_angles(a, b).sum() for a, b in zip(W[::2], W[1::2]))
many = jax.jit(jax.vmap(jax.grad(angles)))
""",
}


@pytest.mark.parametrize("of", HANGS)
def test_models_side_by_side_do_not_wait_for_one_another(of):
    """Where batched factorizations share the threads that they wait on, this never ends."""
    start = "import jax, numpy as np\nrng = np.random.default_rng(0)"
    calls = "for _ in range(10):\n    jax.block_until_ready(many(*inputs))"
    program = start + HANGS[of] + calls
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)

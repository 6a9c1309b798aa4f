"""Pairs of float32 matrices hold what one has no digits for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax._moments import _products
from spacelearn_jax._moments._products import Pair

pytestmark = pytest.mark.last_digits


def exact(P):
    return np.asarray(P.high, np.float64) + np.asarray(P.low, np.float64)


def sizes(x, y):
    """Returns what rounding of every sum is relative to."""
    return np.linalg.norm(x, axis=0)[:, None] * np.linalg.norm(y, axis=0)[None]


def draw(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d)) * np.logspace(0, -4, d)
    return x.astype(np.float32)


@pytest.mark.parametrize("n", [1, 7, 300, 8192, 100_001])
@pytest.mark.parametrize("itself", [True, False])
def test_products_of_rows_have_more_digits_than_their_dtype(n, itself):
    x, y = jnp.asarray(draw(n, 6)), jnp.asarray(draw(n, 3, 1))
    y = x if itself else y
    a, b = (np.asarray(i, np.float64) for i in (x, y))
    error = np.abs(exact(_products.over_rows(x, y, None)) - a.T @ b)
    assert (error / sizes(a, b)).max() < 2.0**-28  # how sums are rounded depends on the processor


def test_products_over_devices_is_that_of_all_rows():
    x = draw(800, 6)
    got = jax.vmap(lambda x: _products.over_rows(x, x, "i"), axis_name="i")(x.reshape(8, 100, 6))
    wide = x.astype(np.float64)
    for i in range(8):
        error = np.abs(exact(jax.tree.map(lambda x, i=i: x[i], got)) - wide.T @ wide)
        assert (error / sizes(wide, wide)).max() < 2.0**-30


def test_sums_over_devices_keep_the_rest():
    high = draw(40, 6).reshape(8, 5, 6)
    P = Pair(high, (high * np.float32(2.0**-25)).astype(np.float32))
    got = jax.vmap(lambda P: _products.over_devices(P, "i"), axis_name="i")(P)
    expected = exact(P).sum(0)
    found = exact(got)
    error = np.abs(found - expected) / np.abs(high).max((0, 1))
    assert error.max() < 2.0**-40


def test_products_with_a_pair_see_its_rest():
    T, S = draw(40, 3, 1), draw(60, 40, 2).astype(np.float64)
    S = S.T @ S
    P = Pair(S.astype(np.float32), (S - S.astype(np.float32)).astype(np.float32))
    wide = T.astype(np.float64)
    bound = np.abs(wide).T @ np.abs(S)
    assert (np.abs(exact(_products.times(T, P)) - wide.T @ S) / bound.max(1)[:, None]).max() < 2e-11
    error = np.abs(exact(_products.quadratic(T, P)) - wide.T @ S @ wide)
    assert (error / (bound @ np.abs(wide)).max()).max() < 2e-11


def test_sums_and_multiples_of_a_pair():
    P = Pair(jnp.float32([[1.0, 3.0]]), jnp.float32([[2.0**-30, -(2.0**-28)]]))
    np.testing.assert_array_equal(
        exact(_products.plus(P, jnp.float32([[2.0**-26, 1]]))), exact(P) + [[2.0**-26, 1]]
    )
    third = np.float32(1 / 3)
    np.testing.assert_allclose(
        exact(_products.scaled(P, third)), np.float64(third) * exact(P), rtol=2.0**-44
    )


def test_without_a_rest_everything_is_plain(x64):
    S = np.eye(3) + 0.1
    P = Pair(jnp.asarray(S), None)
    np.testing.assert_allclose(_products.quadratic(2 * np.eye(3), P).high, 4 * S, rtol=1e-15)
    assert _products.plus(_products.scaled(P, 2.0), S).low is None
    assert P.eps == np.finfo(np.float64).eps

"""Pooling: dtypes, NaN, ties and overlapping bins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import data


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.bool_, np.float16, np.float32])
def test_result_is_float32(dtype):
    x = np.array([[0, 1, 1, 0], [1, 1, 0, 1]], dtype)
    for mode in ("avg", "max"):
        assert data.pool(x, 2, mode).dtype == jnp.float32
    np.testing.assert_array_equal(data.pool(x, 2), [[0.5, 0.5], [1, 0.5]])
    np.testing.assert_array_equal(data.pool(x, 2, "max"), [[1, 1], [1, 1]])


def test_integers_beyond_32_bits_do_not_wrap_around():
    nanoseconds = np.array([[10**18, 3 * 10**18]])
    np.testing.assert_allclose(data.pool(nanoseconds, 1), [[2e18]], rtol=1e-6)


def test_float64_stays(x64):
    assert data.pool(np.ones((2, 4)), 2).dtype == jnp.float64


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_nan_stays_in_its_bin(mode):
    x = np.ones((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 0] = np.nan
    bad = np.isnan(data.pool(x, 2, mode))[0, 0]
    np.testing.assert_array_equal(bad, [[True, False], [False, False]])


def test_first_of_a_tie_takes_the_gradient():
    x = np.zeros((1, 4), np.float32)
    gradient = jax.grad(lambda x: data.pool(x, 2, "max").sum())(x)
    np.testing.assert_array_equal(gradient, [[1, 0, 1, 0]])


def test_overlapping_bins_share_a_point():
    """Five points in two bins: the middle one is in both."""
    x = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]], np.float32)
    np.testing.assert_array_equal(data.pool(x, 2), [[2, 4]])
    gradient = jax.grad(lambda x: data.pool(x, 2).sum())(x)
    np.testing.assert_allclose(gradient, [[1 / 3, 1 / 3, 2 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_more_bins_than_points_repeats_them():
    x = np.array([[1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(data.pool(x, 4), [[1, 1, 2, 2]])
    np.testing.assert_array_equal(data.pool(x, 3), [[1, 1.5, 2]])


def test_volume():
    x = np.arange(8.0, dtype=np.float32).reshape(1, 1, 2, 2, 2)
    np.testing.assert_array_equal(data.pool(x, 1), np.full((1, 1, 1, 1, 1), 3.5))
    np.testing.assert_array_equal(data.pool(x, 2), x)

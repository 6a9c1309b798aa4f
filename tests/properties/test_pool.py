"""Adaptive pooling against a NumPy reference of torch's rule, and what follows from it."""

import itertools
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spacelearn_jax import data

from .cases import in_x64, quick

SHAPES = [(3, 7), (2, 1), (2, 2, 4, 6), (1, 2, 5, 3), (2, 1, 3, 4, 5)]


def reference(x: np.ndarray, n: int, reduce: Callable[..., np.ndarray]) -> np.ndarray:
    """Bin i of an axis of S points covers floor(i S / n) up to ceil((i + 1) S / n)."""
    leading = 1 if x.ndim == 2 else 2
    out = np.empty(x.shape[:leading] + (n,) * (x.ndim - leading))
    for bins in itertools.product(range(n), repeat=x.ndim - leading):
        window = tuple(
            slice(i * S // n, -(-(i + 1) * S // n))
            for i, S in zip(bins, x.shape[leading:], strict=True)
        )
        axes = tuple(range(leading, x.ndim))
        out[(..., *bins)] = reduce(x[(..., *window)], axis=axes)
    return out


def fields(shapes: list[tuple[int, ...]]) -> st.SearchStrategy[np.ndarray]:
    return st.builds(
        lambda shape, seed: np.random.default_rng(seed).standard_normal(shape),
        st.sampled_from(shapes),
        st.integers(0, 2**32 - 1),
    )


@quick
@given(fields(SHAPES), st.integers(1, 9))
@in_x64
def test_rule_of_adaptive_pooling(x, n):
    np.testing.assert_allclose(data.pool(x, n), reference(x, n, np.mean), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(data.pool(x, n, "max"), reference(x, n, np.max))
    np.testing.assert_array_equal(data.pool(x, n, "mean"), data.pool(x, n, "avg"))


@quick
@given(fields([(3, 12), (2, 2, 12, 12), (1, 1, 12, 12, 12)]), st.sampled_from([1, 2, 3, 4, 6, 12]))
@in_x64
def test_bins_that_divide(x, n):
    """Then pooling is a reshape and a mean, and keeps the mean of the field."""
    leading = 1 if x.ndim == 2 else 2
    shape, axes = x.shape[:leading], []
    for size in x.shape[leading:]:
        axes.append(len(shape) + 1)
        shape += (n, size // n)
    blocks = x.reshape(shape)
    got = np.asarray(data.pool(x, n))
    np.testing.assert_allclose(got, blocks.mean(axis=tuple(axes)), rtol=1e-12, atol=1e-14)
    everything = tuple(range(leading, x.ndim))
    np.testing.assert_allclose(got.mean(axis=everything), x.mean(axis=everything), atol=1e-14)
    np.testing.assert_array_equal(data.pool(x, n, "max"), blocks.max(axis=tuple(axes)))


@quick
@given(fields(SHAPES), st.integers(1, 9))
@in_x64
def test_maximum_is_above_the_mean(x, n):
    assert np.all(np.asarray(data.pool(x, n, "max")) >= np.asarray(data.pool(x, n)) - 1e-15)


@quick
@given(fields(SHAPES), st.integers(1, 9), st.floats(-5, 5, allow_subnormal=False))
@in_x64
def test_average_is_linear_and_exact_on_constants(x, n, c):
    np.testing.assert_allclose(
        data.pool(c * x + 1.0, n), c * np.asarray(data.pool(x, n)) + 1.0, rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(data.pool(np.full_like(x, c), n), c, rtol=1e-14)

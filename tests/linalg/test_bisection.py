"""Eigenvalues of tridiagonal matrices by counting, against all of them in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.linalg import _bisection

largest = jax.jit(_bisection.largest, static_argnums=2)
N = 41
RANDOM = np.random.default_rng(0)
MATRICES = {
    "random": (RANDOM.standard_normal(N), RANDOM.standard_normal(N - 1)),
    # Pairs that agree to fourteen digits, though no entry is small.
    "wilkinson": (np.abs(np.arange(-20.0, 21)), np.ones(N - 1)),
    "uncoupled, twice each": (np.arange(N) // 2, np.zeros(N - 1)),
    "negative": (-1 - RANDOM.random(N), 0.1 * RANDOM.standard_normal(N - 1)),
    "graded": (np.geomspace(1, 1e-12, N), np.geomspace(1, 1e-12, N - 1) / 3),
    "zero": (np.zeros(N), np.zeros(N - 1)),
    "alike": (np.full(N, 3.0), np.zeros(N - 1)),
    "large": (1e15 * RANDOM.standard_normal(N), 1e15 * RANDOM.standard_normal(N - 1)),
    "tiny couplings": (RANDOM.standard_normal(N), np.full(N - 1, 1e-25)),
    "a pivot of zero": (np.zeros(N), np.ones(N - 1)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MATRICES)
def test_values_are_those_of_all(name, dtype, x64):
    d, e = (x.astype(dtype) for x in MATRICES[name])
    exact = np.linalg.eigvalsh(np.diag(d) + np.diag(e, 1) + np.diag(e, -1))[::-1]
    for m in (1, 7, N):
        values = largest(d, e, m)
        assert values.dtype == dtype
        # NumPy's own are no better in float64.
        units = 4 if dtype == np.float32 else 16
        atol = units * np.finfo(dtype).eps * np.abs(exact).max()
        np.testing.assert_allclose(values, exact[:m].astype(dtype), rtol=0, atol=atol)


def test_a_matrix_of_one_row_is_its_value():
    assert largest(np.float32([2.5]), np.zeros(0, np.float32), 1) == 2.5


def test_each_of_a_batch_is_what_it_is_alone():
    d = RANDOM.standard_normal((3, 40)).astype(np.float32)
    e = RANDOM.standard_normal((3, 39)).astype(np.float32)
    together = jax.vmap(lambda d, e: largest(d, e, 5))(d, e)
    alone = jnp.stack([largest(*one, 5) for one in zip(d, e, strict=True)])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_bad_entries_show():
    d, e = (np.float32(x) for x in MATRICES["random"])
    d[3] = np.nan
    assert not np.isfinite(largest(d, e, 5)).any()

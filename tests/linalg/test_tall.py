"""The two-level QR of a matrix whose rows lie on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.linalg import _factors
from spacelearn_jax.loss._residual_spectrum import leading_values

from .matrices import SPECTRA, hilbert, prescribed


@pytest.mark.parametrize("shards", [1, 2, 4])
@pytest.mark.parametrize("spectrum", ["well conditioned", "rank deficient", "ill conditioned"])
def test_factors_of_sharded_rows(x64, spectrum, shards):
    X = prescribed(SPECTRA[spectrum], (16, 5))
    blocks = X.reshape(shards, -1, 5)
    Q, R = jax.vmap(lambda x: _factors.tsqr(x, "shards"), axis_name="shards")(blocks)
    np.testing.assert_array_equal(R, np.broadcast_to(R[:1], R.shape))
    Q, R = np.asarray(Q).reshape(16, 5), np.asarray(R[0])
    np.testing.assert_allclose(Q @ R, X, atol=1e-14)
    np.testing.assert_allclose(Q.T @ Q, np.eye(5), atol=1e-13)
    np.testing.assert_array_equal(np.tril(R, -1), 0)


def test_one_device(x64):
    X = hilbert(8)[:, :5]
    Q, R = (np.asarray(x) for x in _factors.tsqr(X, None))
    np.testing.assert_allclose(Q @ R, X, atol=1e-15)
    np.testing.assert_allclose(Q.T @ Q, np.eye(5), atol=1e-14)


def test_fewer_rows_than_columns_on_each_device(x64):
    X = prescribed(SPECTRA["well conditioned"], (8, 5))
    blocks = X.reshape(4, 2, 5)
    Q, R = jax.vmap(lambda x: _factors.tsqr(x, "shards"), axis_name="shards")(blocks)
    np.testing.assert_allclose(np.asarray(Q).reshape(8, -1) @ np.asarray(R[0]), X, atol=1e-14)


@pytest.mark.parametrize("solver", ["auto", "eigen"])
def test_singular_values_of_sharded_rows(x64, solver):
    """Value and gradient, as the isotropy loss takes them."""
    X = prescribed(SPECTRA["well conditioned"], (8, 5))
    U, _, Vt = np.linalg.svd(X, full_matrices=False)

    def values(x):
        return leading_values(x, jnp.zeros((1, 5)), 3, solver, "shards")[0]

    mapped = jax.vmap(values, axis_name="shards")
    np.testing.assert_allclose(mapped(X.reshape(4, 2, 5))[0], [5.0, 4.0, 3.0], rtol=1e-12)
    gradient = jax.grad(lambda x: mapped(x)[0].sum())(X.reshape(4, 2, 5))
    np.testing.assert_allclose(np.reshape(gradient, (8, 5)), U[:, :3] @ Vt[:3], atol=1e-10)

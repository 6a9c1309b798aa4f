"""Right singular vectors by products alone, against an SVD in float64."""

import jax
import numpy as np
import pytest

from spacelearn_jax import _numerics, linalg
from spacelearn_jax.linalg import _gram

from .matrices import prescribed

pytestmark = pytest.mark.last_digits

N = 40
STEEP = {
    "six decades": np.geomspace(1, 1e-6, N),
    "three decades": np.geomspace(1, 1e-3, N),
    "equal": np.ones(N),
    "one large": np.r_[1, np.full(N - 1, 1e-5)],
    "steps": np.repeat([1, 1e-4, 1e-6], [5, 5, N - 10]),
    "rank three": np.r_[3.0, 2.0, 1.0, np.zeros(N - 3)],
    "zero": np.zeros(N),
}


def lengths(A, V):
    return np.linalg.norm(np.asarray(A, np.float64) @ np.asarray(V, np.float64), axis=0)


@pytest.mark.parametrize("spectrum", STEEP.values(), ids=STEEP)
@pytest.mark.parametrize("rows", [N, N + 2, 5 * N])
def test_refined_vectors_are_those_of_an_svd(spectrum, rows):
    A = prescribed(spectrum, (rows, N)).astype(np.float32)
    exact = np.linalg.svd(A.astype(np.float64), compute_uv=False)
    V = np.asarray(_gram.refined(A, _gram.right_vectors(A, None)[1], None))
    np.testing.assert_allclose(V.T @ V, np.eye(N), atol=1e-5)
    np.testing.assert_allclose(lengths(A, V), exact, atol=3e-6 * max(exact[0], 1e-30))
    for k in range(1, N):
        gap = (exact[k - 1] - exact[k]) / exact[0] if exact[0] else 0
        if gap > 1e-3:
            U = np.linalg.svd(A.astype(np.float64))[2][:k]
            assert np.linalg.norm(V[:, :k] @ V[:, :k].T - U.T @ U, 2) < 3e-6 / gap


@pytest.mark.parametrize("name", ["six decades", "three decades", "steps", "rank three"])
def test_the_leading_span_comes_close_at_random(name):
    spectrum = STEEP[name]
    A = prescribed(spectrum, (5 * N, N)).astype(np.float32)
    X = _gram.range_finder(A, linalg.LowRank(10, oversample=6, n_iter=6), None)
    V = np.asarray(_gram.refined(A, X, None))
    assert V.shape == (N, 16)
    np.testing.assert_allclose(V.T @ V, np.eye(16), atol=1e-5)
    np.testing.assert_allclose(lengths(A, V)[:10], spectrum[:10], atol=3e-6 * spectrum[0])


def test_a_column_of_many_rows_keeps_its_digits():
    """What a loop over rows adds up is off by eps times the root of their number and more."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200_000, 4), np.float32), rng.standard_normal((200_000, 1))
    y = (y + x[:, :1]).astype(np.float32)
    got = jax.jit(lambda x, y: _numerics.gram(x, y, None))(x, y)
    wanted = x.T.astype(np.float64) @ y
    size = np.linalg.norm(x, axis=0) * np.linalg.norm(y)
    np.testing.assert_array_less(np.abs(got - wanted)[:, 0], 2e-7 * size)

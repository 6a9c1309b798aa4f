"""Decoders against NumPy's least squares."""

import numpy as np
import pytest

from spacelearn_jax import linalg, optim


def orthonormal(rng, k, D):
    return np.linalg.qr(rng.standard_normal((D, k)))[0].T


def case(B, D, k, p, rank=None, seed=0):
    """Latents of the given rank, a basis and a target."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((B, rank or D)) @ rng.standard_normal((rank or D, D))
    return orthonormal(rng, k, D), Z + 3.0, rng.standard_normal((B, p)) - 1.0


def expected(W, Z, Y):
    """The minimum-norm solution, NumPy's word for it."""
    S = (Z - Z.mean(axis=0)) @ W.T
    rcond = np.finfo(S.dtype).eps * max(S.shape)
    return np.linalg.pinv(S, rcond=rcond) @ (Y - Y.mean(axis=0))


CASES = {
    "plenty of rows": (40, 9, 4, 5, None),
    "fewer rows than directions": (4, 9, 6, 3, None),
    "two rows": (2, 5, 3, 2, None),
    "latents of low rank": (40, 9, 6, 5, 3),
    "one direction": (10, 4, 1, 1, None),
}
SOLVERS = ["auto", "svd", "eigen", linalg.LowRank(6, n_iter=1)]


@pytest.mark.parametrize("solver", SOLVERS, ids=["auto", "svd", "eigen", "LowRank"])
@pytest.mark.parametrize("shape", CASES.values(), ids=CASES)
def test_minimum_norm_least_squares(x64, shape, solver):
    W, Z, Y = case(*shape)
    A = optim.fit_decoders({"q": W}, Z, {"q": Y}, solver=solver)["q"]
    np.testing.assert_allclose(A, expected(W, Z, Y), rtol=1e-7, atol=1e-9)


def test_against_lstsq(x64):
    W, Z, Y = case(40, 9, 4, 5)
    S = (Z - Z.mean(axis=0)) @ W.T
    solution = np.linalg.lstsq(S, Y - Y.mean(axis=0), rcond=None)[0]
    np.testing.assert_allclose(optim.fit_decoders({"q": W}, Z, {"q": Y})["q"], solution, rtol=1e-9)


@pytest.mark.parametrize("solver", ["auto", "eigen"])
def test_no_coordinates_no_decoder(x64, solver):
    """Constant latents: the solution of least norm is zero."""
    W, _, Y = case(10, 5, 2, 3)
    A = optim.fit_decoders({"q": W}, np.full((10, 5), 2.0), {"q": Y}, solver=solver)["q"]
    np.testing.assert_array_equal(A, np.zeros((2, 3)))


def test_shapes_follow_the_target():
    W, Z, _ = case(10, 5, 2, 1)
    W, Z = W.astype(np.float32), Z.astype(np.float32)
    Y = {
        "scalar": Z[:, 0],
        "column": Z[:, :1],
        "field": Z[:, :4].reshape(10, 1, 2, 2),
        "label": np.arange(10) > 4,
        "count": np.arange(10),
    }
    A = optim.fit_decoders(dict.fromkeys(Y, W), Z, {**Y, "ignored": Z})
    assert {q: a.shape for q, a in A.items()} == {
        "column": (2, 1),
        "count": (2,),
        "field": (2, 4),
        "label": (2,),
        "scalar": (2,),
    }
    assert {a.dtype for a in A.values()} == {np.dtype("float32")}


def test_float32_of_an_ill_conditioned_batch():
    """A QR factorization first: a Gram matrix would square a condition of 1e4."""
    W, Z, Y = case(200, 6, 4, 3)
    Z = (Z * np.logspace(0, -3, 6)).astype(np.float32)
    W = np.eye(4, 6, dtype=np.float32)
    A = optim.fit_decoders({"q": W}, Z, {"q": Y.astype(np.float32)})["q"]
    np.testing.assert_allclose(A, expected(W.astype(float), Z.astype(float), Y), rtol=2e-3)

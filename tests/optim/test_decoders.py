"""Decoders against NumPy's least squares."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import linalg, optim
from spacelearn_jax.optim import _decoders

from ..linalg.matrices import prescribed


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


ROUNDING = _decoders._Rounding(jnp.float32(100), jnp.float32(0))
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


@pytest.mark.parametrize("shape", CASES.values(), ids=CASES)
def test_eigenvectors_of_a_stack_give_the_same(x64, shape):
    """As on CUDA, which has no accurate SVD of many matrices at once."""
    cases = [case(*shape, seed=seed) for seed in range(3)]
    S = np.stack([(Z - Z.mean(axis=0)) @ W.T for W, Z, _ in cases])
    rounding = _decoders._Rounding(jnp.full(3, float(S.shape[1])), jnp.zeros(3))
    X = _decoders._at_once(jnp.asarray(S), rounding, axis_name=None)
    for x, (W, Z, Y) in zip(X, cases, strict=True):
        A = np.asarray(x).T @ (Y - Y.mean(axis=0))
        np.testing.assert_allclose(A, expected(W, Z, Y), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("decades", [0, 2, 4])
def test_eigenvectors_square_no_condition_number_away(decades):
    R = prescribed(np.logspace(0, -decades, 8), (8, 8)).astype(np.float32)
    got = _decoders._by_eigenvectors(jnp.asarray(R), ROUNDING)
    exact = np.linalg.pinv(R.astype(np.float64)).T
    error = np.linalg.norm(got - exact, 2) / np.linalg.norm(exact, 2)
    # Rounding of eigenvalues goes with the size of their matrix, twice that of R.
    assert error < sum(R.shape) * np.finfo(np.float32).eps * 10**decades


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_eigenvectors_of_bad_entries_end_as_nan(bad):
    R = jnp.eye(4).at[1, 2].set(bad)
    assert np.isnan(_decoders._by_eigenvectors(R, ROUNDING)).all()


@pytest.mark.parametrize("platform", ["cuda", "cpu"])
@pytest.mark.parametrize("solver", ["auto", "svd"])
def test_only_cuda_takes_eigenvectors_and_no_svd_that_was_asked_for(platform, solver):
    W, Z, Y = (np.float32(x) for x in case(40, 9, 4, 5))
    fit = functools.partial(optim.fit_decoders, solver=solver)
    traced = jax.jit(fit).trace({"a": W, "b": W}, Z, {"a": Y, "b": 2 * Y})
    program = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("syevd" in program) is (platform == "cuda" and solver == "auto")
    assert ("gesvd" in program or "gesdd" in program) is not ("syevd" in program)


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


def strong_and_weak(n, weak):
    """Returns latents of two coordinates, and a target that is the weak one of them."""
    x = np.linalg.qr(np.random.default_rng(0).standard_normal((n, 2)))[0]
    x = np.linalg.qr(x - x.mean(axis=0))[0]
    return (x * [1, weak]).astype(np.float32), x[:, 1].astype(np.float32)


@pytest.mark.parametrize("factor", [0.8, 1.25])
@pytest.mark.parametrize(
    ("n", "k", "smallest"), [(32, 2, 32), (64, 2, 64), (8192, 2, 64), (8, 128, 128)]
)
def test_what_counts_as_rounding(n, k, smallest, factor):
    """Singular values below eps times the number of rows, of 64 at most, or of coordinates."""
    weak = factor * smallest * np.finfo(np.float32).eps
    Z, y = strong_and_weak(n, weak)
    Z = np.pad(Z, [(0, 0), (0, k - 2)])
    A = optim.fit_decoders({"q": np.eye(k, dtype=np.float32)}, Z, {"q": y})["q"]
    np.testing.assert_allclose(A[1], 1 / weak if factor > 1 else 0, rtol=1e-2)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_what_counts_as_rounding_of_latents_that_no_basis_reads(factor):
    """Singular values below eps times their length, which is that of the strong one, 1."""
    weak = factor * np.finfo(np.float32).eps
    Z, y = strong_and_weak(32, weak)
    A = optim.fit_decoders({"q": np.eye(2, dtype=np.float32)[1:]}, Z, {"q": y})["q"]
    np.testing.assert_allclose(A[0], 1 / weak if factor > 1 else 0, rtol=1e-2)


@pytest.mark.parametrize("factor", [0.8, 1.25])
@pytest.mark.parametrize("rows", ["masked", "shared"])
def test_rounding_goes_with_the_valid_rows_of_all_devices(rows, factor):
    weak = factor * 32 * np.finfo(np.float32).eps
    Z, y = strong_and_weak(32, weak)
    fit = functools.partial(optim.fit_decoders, {"q": np.eye(2, dtype=np.float32)})
    if rows == "masked":
        Z, y = np.r_[Z, Z], np.r_[y, y]
        A = fit(Z, {"q": y}, where=np.arange(64) < 32)["q"]
    else:
        Z, y = Z.reshape(2, 16, 2), y.reshape(2, 16)
        each = functools.partial(fit, axis_name="data")
        A = jax.vmap(lambda z, y: each(z, {"q": y}), axis_name="data")(Z, y)["q"][0]
    np.testing.assert_allclose(A[1], 1 / weak if factor > 1 else 0, rtol=1e-2)


@pytest.mark.parametrize("axis", [None, "data"])
def test_a_dead_coordinate_beside_strong_latents_counts_as_rounding(axis):
    """Products of latents that cancel leave eps times their length, whatever is in the basis."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((256, 24))
    Z[:, :12] *= 1e4
    Z[:, 12:23] = Z[:, :11]
    Z[:128] *= 1e-3  # one of the devices has hardly any of the length
    turn = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    Z, y = (Z @ turn).astype(np.float32), Z[:, 23].astype(np.float32)
    dead = (np.eye(24)[0] - np.eye(24)[12]) / np.sqrt(2)
    W = {"q": (np.stack([dead, np.eye(24)[23]]) @ turn).astype(np.float32)}
    fit = functools.partial(optim.fit_decoders, W, axis_name=axis)
    if axis is not None:
        Z, y = Z.reshape(2, 128, 24), y.reshape(2, 128)
        A = jax.vmap(lambda z, y: fit(z, {"q": y}), axis_name=axis)(Z, y)["q"][0]
    else:
        A = fit(Z, {"q": y})["q"]
    np.testing.assert_allclose(A, [0, 1], atol=0.02)


def test_rounding_is_that_of_the_rows_that_have_a_quantity():
    W, Z, Y = (np.float32(x) for x in case(40, 5, 2, 3))
    Z[:20] *= 1e8
    weak = np.arange(40) >= 20
    where = {"all": np.ones(40, bool), "weak": weak}
    A = optim.fit_decoders(dict.fromkeys(where, W), Z, dict.fromkeys(where, Y), where=where)
    np.testing.assert_allclose(A["weak"], expected(W, Z[weak], Y[weak]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [1e-28, 1e28])
def test_rounding_is_told_where_squares_leave_the_range(size):
    W, Z, Y = case(40, 9, 4, 5)
    W, Y = W.astype(np.float32), Y.astype(np.float32)
    A = optim.fit_decoders({"q": W}, (size * Z).astype(np.float32), {"q": Y})["q"]
    np.testing.assert_allclose(size * A, expected(W, Z, Y), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n", [1024, 65_536])
def test_coordinates_beside_a_strong_one_are_read(n):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((n, 6))
    y = (Z[:, 1:] @ rng.standard_normal((5, 2))).astype(np.float32)
    Z = (Z * [1e4, 1, 1, 1, 1, 1]).astype(np.float32)
    A = optim.fit_decoders({"q": np.eye(6, dtype=np.float32)}, Z, {"q": y})["q"]
    Zc, yc = (x - x.mean(axis=0, dtype=np.float64) for x in (Z, y))
    assert np.linalg.norm(yc - Zc @ np.asarray(A)) < 1e-3 * np.linalg.norm(yc)

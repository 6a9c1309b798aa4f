"""Factorizations by the equations that define them, on prescribed spectra."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from spacelearn_jax import linalg

from .matrices import SHAPES, SPECTRA, hilbert, prescribed

pytestmark = pytest.mark.last_digits

SOLVERS = {
    "auto": ("auto", 1e-14),
    "svd": ("svd", 1e-14),
    # From a Gram matrix: a singular value below sqrt(eps) is lost in its square.
    "eigen": ("eigen", 3e-8),
    "LowRank": (linalg.LowRank(rank=5, n_iter=1), 1e-13),
}
MATRICES = {
    f"{name}, {kind}": (prescribed(s, shape), s)
    for name, s in SPECTRA.items()
    for kind, shape in SHAPES.items()
}
MATRICES["Hilbert"] = (hilbert(8), np.linalg.svd(hilbert(8), compute_uv=False))
solvers = pytest.mark.parametrize(("solver", "tolerance"), SOLVERS.values(), ids=SOLVERS)
matrices = pytest.mark.parametrize(("A", "spectrum"), MATRICES.values(), ids=MATRICES)


def factorize(A: np.ndarray, solver: linalg.Solver) -> list[np.ndarray]:
    return [np.asarray(x) for x in linalg.full(A, solver=solver)]


@solvers
@matrices
def test_defining_equations(x64, A, spectrum, solver, tolerance):
    U, s, Vt = factorize(A, solver)
    r = min(A.shape) if isinstance(solver, str) else min(*A.shape, solver.rank)
    assert U.shape == (A.shape[0], r)
    assert s.shape == (r,)
    assert Vt.shape == (r, A.shape[1])
    scale = max(spectrum[0], 1e-300)
    left_out = spectrum[r] if r < len(spectrum) else 0.0
    assert np.linalg.norm(U * s @ Vt - A, 2) <= 1.01 * left_out + 10 * tolerance * scale
    # Orthonormal on both sides, also where a singular value vanishes.
    np.testing.assert_allclose(U.T @ U, np.eye(r), atol=1e-13)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(r), atol=1e-13)
    assert np.all(np.diff(s) <= 0)
    assert np.all(s >= 0)
    error = (
        10 * tolerance * scale if isinstance(solver, str) else max(1e-3 * left_out, 1e-13 * scale)
    )
    np.testing.assert_allclose(s, spectrum[:r], rtol=0, atol=error)
    # The sign convention: the largest entry of each left vector is positive.
    assert np.all(U[np.argmax(np.abs(U), axis=0), np.arange(r)] > 0)


@solvers
@pytest.mark.parametrize("scale", [2.0**-100, 2.0**-66, 2.0**66, 2.0**120])
def test_no_square_leaves_the_range(scale, solver, tolerance):
    A = prescribed(np.array([5.0, 3.0, 1.0, 1.0, 0.5]), (20, 5)).astype(np.float32)
    U, s, Vt = factorize(A, solver)
    for got, expected in zip(factorize(scale * A, solver), (U, scale * s, Vt), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.max(abs(expected)))


@pytest.mark.parametrize("function", [linalg.full, linalg.singular_values])
def test_cuda_is_not_asked_to_rotate_columns(function):
    """Its default loses their lengths, and so a float32 singular value by 7e-5."""
    A = jax.ShapeDtypeStruct((40, 20), np.float32)
    program = jax.jit(function).trace(A).lower(lowering_platforms=("cuda",)).as_text()
    assert "cusolver_gesvd_ffi" in program
    assert "gesvdj" not in program


@solvers
@pytest.mark.parametrize("kind", SHAPES)
def test_parts_agree_with_the_whole(x64, kind, solver, tolerance):
    A, _ = MATRICES[f"well conditioned, {kind}"]
    U, s, Vt = factorize(A, solver)
    for got, expected in zip(linalg.left(A, solver=solver), (U, s), strict=True):
        np.testing.assert_array_equal(got, expected)
    for got, expected in zip(linalg.right(A, solver=solver), (Vt, s), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(linalg.singular_values(A, solver=solver), s, rtol=1e-13)


@solvers
@pytest.mark.parametrize("kind", ["tall", "wide"])
def test_gradient_of_singular_values_is_u_v(x64, kind, solver, tolerance):
    """The closed form: ds_i = u_i^T dA v_i."""
    A, _ = MATRICES[f"well conditioned, {kind}"]
    weights = np.array([1.0, -2.0, 3.0, 0.5, 2.0])
    U, _, Vt = np.linalg.svd(A, full_matrices=False)
    expected = U * weights @ Vt
    gradient = jax.grad(lambda A: linalg.singular_values(A, solver=solver) @ weights)(A)
    np.testing.assert_allclose(gradient, expected, atol=1e-12)
    _, tangent = jax.jvp(lambda A: linalg.left(A, solver=solver)[1] @ weights, (A,), (A,))
    np.testing.assert_allclose(tangent, np.sum(expected * A), rtol=1e-12)


@solvers
@pytest.mark.parametrize("kind", ["tall", "wide"])
def test_gradient_of_degenerate_singular_values(x64, kind, solver, tolerance):
    """The sum of them all has a gradient where they repeat; each is finite anyway."""
    A, _ = MATRICES[f"repeated, {kind}"]
    U, _, Vt = np.linalg.svd(A, full_matrices=False)
    gradient = jax.grad(lambda A: linalg.singular_values(A, solver=solver).sum())(A)
    np.testing.assert_allclose(gradient, U @ Vt, atol=1e-12)
    jacobian = jax.jit(jax.jacrev(lambda A: linalg.singular_values(A, solver=solver)))
    for name in ("repeated", "rank deficient", "zero"):
        assert np.isfinite(jacobian(MATRICES[f"{name}, {kind}"][0])).all()


def test_gradient_by_differences(x64):
    A, _ = MATRICES["well conditioned, tall"]
    check_grads(linalg.singular_values, (A,), order=1, modes=["fwd", "rev"], rtol=1e-6)
    check_grads(linalg.singular_values, (A,), order=2, modes=["rev"], rtol=1e-6)


@pytest.mark.parametrize("solver", ["auto", "eigen"])
def test_vectors_carry_no_gradient(x64, solver):
    A, _ = MATRICES["well conditioned, tall"]
    for i in (0, 2):
        gradient = jax.grad(lambda A, i=i: linalg.full(A, solver=solver)[i].sum())(A)
        assert not np.any(gradient)


@solvers
def test_float32_and_below(solver, tolerance):
    A = prescribed(SPECTRA["well conditioned"], (9, 5)).astype(np.float32)
    U, s, Vt = linalg.full(A, solver=solver)
    assert {x.dtype for x in (U, s, Vt)} == {np.dtype("float32")}
    np.testing.assert_allclose(s, SPECTRA["well conditioned"], rtol=3e-5)
    np.testing.assert_allclose(np.asarray(U) * np.asarray(s) @ np.asarray(Vt), A, atol=1e-5)
    assert linalg.singular_values(A.astype(np.float16), solver=solver).dtype == np.float32


@pytest.mark.parametrize("solver", ["auto", "svd", "eigen"])
def test_nan_comes_out_as_nan(solver):
    A = np.full((4, 3), np.nan, np.float32)
    assert np.isnan(linalg.singular_values(A, solver=solver)).all()


@pytest.mark.parametrize("solver", ["auto", "svd", "eigen"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_entry_of_one_column_shows_on_both_sides(solver, bad):
    A = np.float32([[1.0], [bad], [2.0]])
    U, _, Vt = linalg.full(A, solver=solver)
    assert np.isnan(U).all()
    assert np.isnan(Vt).all()

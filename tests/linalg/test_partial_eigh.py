"""A few leading eigenvectors, each way, against all of them in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.linalg import _chebyshev, _partial_eigh, _tridiagonal
from spacelearn_jax.loss import isotropy_loss

from .matrices import prescribed

chebyshev, tridiagonal, few = (
    jax.jit(module.leading, static_argnums=1)
    for module in (_chebyshev, _tridiagonal, _partial_eigh)
)
for_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="by LAPACK")
ways = pytest.mark.parametrize(
    "leading",
    [chebyshev, pytest.param(tridiagonal, marks=for_cpu)],
    ids=["chebyshev", "tridiagonal"],
)
N, M = 512, 6
EPS = np.finfo(np.float32).eps
INDEX = np.arange(N)
# Of singular values: those of the Gram matrix are their squares.
CONVERGE = {
    "harmonic": 1 / (1.0 + INDEX),
    "two decades": np.geomspace(1, 1e-2, N),
    "half of it empty": np.r_[np.linspace(1, 0.5, N // 2), np.zeros(N // 2)],
    "one large": np.r_[1e3, np.linspace(1, 0.5, N - 1)],
}
HARD = {
    "pairs": np.repeat(np.linspace(1, 0.5, N // 2), 2),
    "a step": np.r_[np.full(M, 1.0), np.full(N - M, 0.5)],
    "even": np.linspace(1, 0.5, N),
    "zero": np.zeros(N),
    "rank one": np.r_[1.0, np.zeros(N - 1)],
    "rank of a block": np.r_[np.full(8, 1.0), np.zeros(N - 8)],
    "equal": np.ones(N),
    "twelve alike": np.r_[np.full(12, 1.0), np.full(N - 12, 0.5)],
    "next to equal": 1 + 1e-6 * np.random.default_rng(0).standard_normal(N),
    "seven decades": np.geomspace(1, 1e-7, N),
}


def gram(spectrum):
    A = prescribed(spectrum, (N, N)).astype(np.float32)
    return A.T @ A


def test_each_way_is_for_few_vectors_of_large_matrices():
    is_faster = functools.partial(_chebyshev.is_faster, dtype=jnp.float32)
    assert is_faster(1600, 32, on_cpu=True)
    assert not is_faster(1599, 32, on_cpu=True)
    assert is_faster(512, 32, on_cpu=False)
    assert not is_faster(511, 6, on_cpu=False)
    assert not is_faster(1024, 97, on_cpu=False)
    assert not _chebyshev.is_faster(4096, 1, jnp.float64, on_cpu=False)
    assert _tridiagonal.is_faster(N, 64)
    assert not _tridiagonal.is_faster(N, 65)
    assert not _tridiagonal.is_faster(255, 8)


def program(n, m, platform):
    G = jax.ShapeDtypeStruct((n, n), jnp.float32)
    return few.trace(G, m).lower(lowering_platforms=(platform,)).as_text()


def test_the_platform_and_the_size_choose_the_way():
    assert "sytrd" in program(N, 32, "cpu")
    assert "sytrd" not in program(2048, 32, "cpu")
    assert "potrf" in program(2048, 32, "cpu")
    assert "potrf" in program(N, 32, "cuda")
    assert "potrf" not in program(N // 2, 32, "cuda")
    for n, platform in ((N // 2, "cuda"), (N, "cuda"), (N // 2, "tpu"), (N, "tpu")):
        assert "sytrd" not in program(n, 32, platform)
        assert "gtsv" not in program(n, 32, platform)
        assert "Tridiagonal" not in program(n, 32, platform)


def test_all_of_them_are_found_where_few_do_not_pay():
    G = gram(CONVERGE["two decades"])
    values, X, converged = jax.jit(_partial_eigh._all, static_argnums=1)(G, M)
    assert converged
    X, values = np.asarray(X), np.asarray(values)
    np.testing.assert_allclose(G @ X, X * values, atol=32 * EPS * values[0])


@ways
@pytest.mark.parametrize("name", CONVERGE)
def test_values_and_spans_are_those_of_all(leading, name):
    G = gram(CONVERGE[name])
    values, X, converged = leading(G, M)
    assert converged
    exact, V = np.linalg.eigh(G.astype(np.float64))
    exact, V = exact[::-1], V[:, ::-1]
    np.testing.assert_allclose(values, exact[:M], rtol=0, atol=32 * EPS * exact[0])
    X = np.asarray(X, np.float64)
    np.testing.assert_allclose(X.T @ X, np.eye(M), atol=1e-5)
    gap = (exact[M - 1] - exact[M]) / exact[0]
    if gap > 1e-4:
        assert np.linalg.norm(X @ X.T - V[:, :M] @ V[:, :M].T, 2) < 32 * EPS / gap


@ways
@pytest.mark.parametrize("rows", [128, 512, 2048, 8192])
def test_spectra_of_random_rows_converge(leading, rows):
    A = np.random.default_rng(rows).standard_normal((rows, N), np.float32)
    G = A.T @ A
    values, _, converged = leading(G, M)
    assert converged
    exact = np.linalg.eigvalsh(G.astype(np.float64))[::-1]
    np.testing.assert_allclose(values, exact[:M], rtol=0, atol=32 * EPS * exact[0])


@ways
@pytest.mark.parametrize("m", [M, 48])
@pytest.mark.parametrize("name", HARD)
def test_what_holds_is_right(leading, name, m):
    G = gram(HARD[name])
    values, _, converged = leading(G, m)
    exact = np.linalg.eigvalsh(G.astype(np.float64))[::-1]
    if converged:
        np.testing.assert_allclose(values, exact[:m], rtol=0, atol=32 * EPS * exact[0])


@for_cpu
@pytest.mark.parametrize("name", HARD)
def test_a_tridiagonal_matrix_gives_all_vectors_of_a_cluster(name):
    G = gram(HARD[name])
    values, X, converged = tridiagonal(G, M)
    assert converged
    X = np.asarray(X, np.float64)
    np.testing.assert_allclose(X.T @ X, np.eye(M), atol=64 * EPS)
    residuals = np.linalg.norm(G @ X - X * np.asarray(values), axis=0)
    assert residuals.max() <= 32 * EPS * values[0]
    exact = np.linalg.eigvalsh(G.astype(np.float64))[::-1]
    np.testing.assert_allclose(values, exact[:M], rtol=0, atol=32 * EPS * exact[0])


@for_cpu
def test_a_pivot_of_zero_is_stepped_over():
    """A matrix less its own eigenvalue is singular: one in fifteen of these had such a pivot."""
    rng = np.random.default_rng(0)
    for i in range(60):
        A = rng.standard_normal((300, 256)).astype(np.float32)
        A = (A, A * np.geomspace(1, 1e-2, 256, dtype=np.float32), np.round(A))[i % 3]
        G = A.T @ A
        values, X, converged = tridiagonal(G, 32)
        assert converged, i
        values, X = np.asarray(values), np.asarray(X, np.float64)
        residuals = np.linalg.norm(G @ X - X * values, axis=0)
        assert residuals.max() < 24 * EPS * values[0]  # of 64 that converged, and 16 to go on


@for_cpu
def test_a_vector_of_another_value_does_not_hold(monkeypatch):
    """Bisection that skips a value sends inverse iteration astray."""

    @jax.jit
    def found(G, counted):
        monkeypatch.setattr(_tridiagonal._bisection, "largest", lambda *_: counted)
        return _tridiagonal.leading(G, M)

    G = gram(CONVERGE["two decades"])
    exact = np.linalg.eigvalsh(G.astype(np.float64))[::-1]
    for missed in (0, 3, M - 1):
        shifted = exact[:M].copy()
        shifted[missed:] = exact[missed + 1 : M + 1]
        counted = np.float32(shifted)
        values, _, converged = found(G, counted)
        assert converged  # what it is given it finds, so that the count is the certificate
        np.testing.assert_allclose(values, shifted, rtol=0, atol=32 * EPS * exact[0])
        for off in (0.9, 1 - 2e-5):  # to no eigenvalue, and to one that was not counted there
            counted[-1] = np.float32(shifted[-1] * off)
            assert not found(G, counted)[2]


@pytest.mark.parametrize("missed", [0, 3, M - 1])
def test_a_missed_eigenvalue_shows(missed):
    G = gram(CONVERGE["two decades"])
    values, V = np.linalg.eigh(G.astype(np.float64))
    kept = np.delete(np.arange(M + 1), missed)
    values, X = values[::-1][kept], V[:, ::-1][:, kept]
    bound = values[-1] * (1 + 1e-5)
    none_above = jax.jit(_chebyshev._none_above)
    assert not none_above(G, *np.float32([values]), np.float32(X), np.float32(bound))
    values, X = np.linalg.eigh(G.astype(np.float64))
    values, X = values[::-1][:M], X[:, ::-1][:, :M]
    bound = values[-1] * (1 + 1e-5)
    assert none_above(G, *np.float32([values]), np.float32(X), np.float32(bound))


def test_a_filter_is_the_chebyshev_polynomial():
    spectrum = np.linspace(3, 0.1, 40)
    X = np.random.default_rng(0).standard_normal((40, 5))
    ritz = np.array([2.5, 2.0, 1.5, 1.2, 1.0])
    block = _chebyshev._Ritz(*np.float32([X, spectrum[:, None] * X]), np.float32(ritz), None)
    for degree in (2, 7):
        got = _chebyshev._filtered(np.diag(np.float32(spectrum)), block, degree)
        wanted = X * np.polynomial.Chebyshev.basis(degree)(2 * spectrum / ritz[-1] - 1)[:, None]
        np.testing.assert_allclose(got, wanted / np.linalg.norm(wanted, axis=0), atol=1e-5)


def test_vectors_with_residuals_do_not_hold(monkeypatch):
    monkeypatch.setattr(_chebyshev, "_none_above", lambda *_: True)
    G = gram(CONVERGE["two decades"])
    for passes, enough in ((1, False), (8, True)):
        monkeypatch.setattr(_chebyshev, "_PASSES", passes)
        assert jax.jit(lambda G: _chebyshev.leading(G, M)[2])(G) == enough


@ways
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_entries_do_not_hold(leading, bad):
    G = gram(CONVERGE["two decades"])
    G[3, 4] = G[4, 3] = bad
    assert not leading(G, M)[2]


def isotropy(solver, m=M):
    Z = np.random.default_rng(1).standard_normal((N, N), np.float32)
    Z = Z * (1 / np.sqrt(1 + INDEX)).astype(np.float32)
    W = {"x": np.eye(N, dtype=np.float32)[:4]}
    return functools.partial(isotropy_loss, W=W, n_dir=m, solver=solver), Z


@pytest.fixture(params=["chebyshev", "tridiagonal"])
def one_way(request, monkeypatch):
    """Makes isotropy take one of the ways."""
    by_products = request.param == "chebyshev"
    if not by_products and jax.default_backend() != "cpu":
        pytest.skip("LAPACK is for the CPU")
    monkeypatch.setattr(
        _chebyshev, "is_faster", lambda n, m, dtype, on_cpu: by_products or not on_cpu
    )
    jax.clear_caches()
    yield "potrf" if by_products else "sytrd"
    jax.clear_caches()


def by_svd(Z):
    """Returns isotropy and its gradient in float64."""
    with jax.enable_x64(True):
        return jax.value_and_grad(isotropy("svd")[0])(np.float64(Z))


def test_isotropy_is_that_of_an_svd(one_way):
    fast, Z = isotropy("auto")
    assert one_way in jax.jit(fast).lower(Z).as_text()
    got, slope = jax.value_and_grad(fast)(Z)
    wanted, wanted_slope = by_svd(Z)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    np.testing.assert_allclose(slope, wanted_slope, atol=1e-4 * np.abs(wanted_slope).max())


def rank_two(Z):
    """Returns latents whose other singular values are rounding."""
    return Z[:, :2] @ np.random.default_rng(2).standard_normal((2, N), np.float32)


def test_isotropy_of_many_at_once(one_way):
    """One of them falls back, and the others don't have to."""
    loss, Z = isotropy("auto")
    many = np.stack([Z, 2 * Z[::-1] + 1, rank_two(Z)])
    got, slope = jax.jit(jax.vmap(jax.value_and_grad(loss)))(many)
    # What is left of the last one is rounding, and so is its gradient.
    in_float32 = jax.value_and_grad(isotropy("svd")[0])
    for z, value, g, exact in zip(many, got, slope, (by_svd, by_svd, in_float32), strict=True):
        wanted, wanted_slope = exact(z)
        np.testing.assert_allclose(value, wanted, rtol=1e-5)
        np.testing.assert_allclose(g, wanted_slope, atol=1e-4 * np.abs(wanted_slope).max())


def test_isotropy_falls_back(one_way):
    loss, Z = isotropy("auto")
    Z = rank_two(Z)
    got, slope = jax.value_and_grad(loss)(Z)
    wanted, wanted_slope = jax.value_and_grad(isotropy("svd")[0])(Z)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    np.testing.assert_allclose(slope, wanted_slope, atol=1e-4 * np.abs(wanted_slope).max())


def test_isotropy_of_what_did_not_converge_is_from_all_vectors(one_way, monkeypatch):
    for module in (_chebyshev, _tridiagonal):
        monkeypatch.setattr(module, "_PASSES", 0)
    loss, Z = isotropy("auto")
    got, slope = jax.value_and_grad(loss)(Z)
    wanted, wanted_slope = by_svd(Z)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    np.testing.assert_allclose(slope, wanted_slope, atol=1e-4 * np.abs(wanted_slope).max())


def test_isotropy_has_a_second_derivative(one_way):
    def curvature(loss, Z, D):
        return jax.jvp(jax.grad(loss), (Z,), (D,))[1]

    fast, Z = isotropy("auto", m=2)
    D = np.random.default_rng(3).standard_normal(Z.shape, np.float32)
    got = curvature(fast, Z, D)
    wanted = curvature(isotropy("svd", m=2)[0], Z, D)
    np.testing.assert_allclose(got, wanted, atol=1e-3 * np.abs(wanted).max())

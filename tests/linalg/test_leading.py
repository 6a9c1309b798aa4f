"""Leading singular vectors by products, against an SVD in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import checkify

from spacelearn_jax.linalg import _leading

from .matrices import prescribed

pytestmark = pytest.mark.last_digits

vectors = jax.jit(_leading.vectors, static_argnums=(1, 2))
N, K = 40, 6
EPS = np.finfo(np.float32).eps
SPECTRA = {
    "two decades": np.geomspace(1, 1e-2, N),
    "four decades": np.geomspace(1, 1e-4, N),
    "six decades": np.geomspace(1, 1e-6, N),
    "harmonic": 1 / np.arange(1.0, N + 1),
    "steep": np.arange(1.0, N + 1) ** -2,
    "flat": np.linspace(1, 0.5, N),
    "a gap": np.r_[np.linspace(1, 0.5, K), np.full(N - K, 1e-3)],
    "a gap below two decades": np.r_[np.geomspace(1, 1e-2, K), np.full(N - K, 1e-3)],
    "a gap below four decades": np.r_[np.geomspace(1, 1e-4, K), np.full(N - K, 1e-6)],
    "a gap below six decades": np.r_[np.geomspace(1, 1e-6, K), np.zeros(N - K)],
    "rank three": np.r_[3.0, 2.0, 1.0, np.zeros(N - 3)],
    "equal": np.ones(N),
    "zero": np.zeros(N),
}
SHAPES = {"tall": (200, N), "wide": (N, 200), "square": (N, N)}


def projector(X):
    Q = np.linalg.qr(np.asarray(X, np.float64))[0]
    return Q @ Q.T


def falls_back(A, k):
    """Tells whether the SVD is what comes back."""
    return all(
        np.array_equal(x, y)
        for x, y in zip(vectors(A, k, "auto"), vectors(A, k, "svd"), strict=True)
    )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e15])
def test_spans_are_those_of_an_svd(spectrum, shape, scale):
    A = (scale * prescribed(spectrum, shape)).astype(np.float32)
    U, V = vectors(A, K, "auto")
    assert U.shape == (shape[0], K)
    assert V.shape == (shape[1], K)
    for X in (U, V):
        np.testing.assert_allclose(np.linalg.norm(X, axis=0), 1, rtol=1e-5)
    left, s, right = np.linalg.svd(A.astype(np.float64), full_matrices=False)
    gap = (s[K - 1] - s[K]) / s[0] if s[0] else 0
    if gap > 2 * EPS:
        error = 16 * EPS / gap
        assert np.linalg.norm(projector(U) - projector(left[:, :K]), 2) < error
        assert np.linalg.norm(projector(V) - projector(right[:K].T), 2) < error


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("k", [K, N])
@pytest.mark.parametrize("name", ["two decades", "harmonic", "steep", "flat"])
def test_each_vector_is_that_of_an_svd(name, k, shape):
    """Also where all directions are asked for, so that their span says nothing of them."""
    A = prescribed(SPECTRA[name], shape).astype(np.float32)
    left, s, right = np.linalg.svd(A.astype(np.float64), full_matrices=False)
    gaps = -np.diff(s, append=-s[-1])
    error = 4 * EPS * s[0] / np.minimum(gaps, np.r_[np.inf, gaps[:-1]])[:k]
    for X, exact in zip(vectors(A, k, "auto"), (left, right.T), strict=True):
        X = np.asarray(X)
        signed = X * np.sign(np.sum(X * exact[:, :k], axis=0))
        assert (np.linalg.norm(signed - exact[:, :k], axis=0) < error).all()


@pytest.mark.parametrize("name", ["two decades", "harmonic", "flat", "a gap"])
def test_it_takes_products_where_they_do(name):
    A = prescribed(SPECTRA[name], SHAPES["tall"]).astype(np.float32)
    assert not falls_back(A, K)


@pytest.mark.parametrize("name", ["a gap below four decades", "rank three", "equal", "zero"])
def test_it_takes_the_svd_elsewhere(name):
    A = prescribed(SPECTRA[name], SHAPES["tall"]).astype(np.float32)
    assert falls_back(A, K)


@pytest.mark.parametrize("last", [0.05, 0.07])
def test_both_sides_are_corrected(last):
    """Of vectors that are short beside the first one, as the products lose most there."""
    spectrum = np.r_[1, np.linspace(0.1, 0.08, K - 1), np.linspace(last, 0.04, N - K)]
    A = prescribed(spectrum, SHAPES["tall"]).astype(np.float32)
    assert not falls_back(A, K)
    left, s, right = np.linalg.svd(A.astype(np.float64), full_matrices=False)
    for X, exact in zip(vectors(A, K, "auto"), (left[:, :K], right[:K].T), strict=True):
        error = np.linalg.norm(projector(X) - projector(exact), 2)
        assert error < 0.5 * EPS / (s[K - 1] - s[K])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_all_vectors_of_a_small_side(k):
    A = prescribed(np.array([5.0, 4.0, 3.0, 2.0, 1.0]), (30, 5)).astype(np.float32)
    U, s, Vt = np.linalg.svd(A.astype(np.float64), full_matrices=False)
    got = vectors(A, k, "auto")
    np.testing.assert_allclose(projector(got[0]), projector(U[:, :k]), atol=1e-6)
    np.testing.assert_allclose(projector(got[1]), projector(Vt[:k].T), atol=1e-6)


def test_float64_is_as_good(x64):
    A = prescribed(SPECTRA["two decades"], SHAPES["tall"])
    U = np.linalg.svd(A)[0][:, :K]
    got = vectors(A, K, "auto")[0]
    assert not falls_back(A, K)
    np.testing.assert_allclose(projector(got), projector(U), atol=1e-13)


def test_a_stack_takes_either():
    """Under vmap a condition computes both and selects."""
    many = np.stack(
        [prescribed(SPECTRA[n], SHAPES["tall"], seed=1) for n in ("two decades", "six decades")]
    ).astype(np.float32)
    got = jax.vmap(lambda A: vectors(A, K, "auto")[0])(many)
    for one, A in zip(got, many, strict=True):
        expected = projector(vectors(A, K, "auto")[0])
        np.testing.assert_allclose(projector(one), expected, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_entries_end_as_nan(bad):
    A = prescribed(SPECTRA["flat"], SHAPES["tall"]).astype(np.float32)
    A[3, 4] = bad
    assert all(np.isnan(x).all() for x in vectors(A, K, "auto"))


def stack(*names):
    return np.stack([prescribed(SPECTRA[n], SHAPES["tall"]) for n in names]).astype(np.float32)


@pytest.mark.parametrize("scale", [1, 1e-22, 1e22])
@pytest.mark.parametrize("last", ["flat", "a gap below four decades"])
def test_all_of_a_stack_at_once(last, scale):
    many = stack("two decades", "harmonic", last) * np.float32(scale)
    alone = [vectors(A, K, "auto") for A in many]

    def at_once(A):
        return _leading._checked_stack(A, *jax.vmap(lambda A: _leading._by_products(A, K))(A))

    for way in (at_once, lambda A: _leading.of_stack(A, K, "auto")):
        for got, *expected in zip(jax.jit(way)(many), *alone, strict=True):
            for x, y in zip(got, expected, strict=True):
                np.testing.assert_allclose(projector(x), projector(y), atol=1e-5)


@pytest.mark.parametrize("scale", [1, 1e-22, 1e22])
@pytest.mark.parametrize("last", ["flat", "a gap below four decades"])
def test_a_stack_is_taken_in_turn_only_where_products_are_not_enough(last, scale, monkeypatch):
    def in_turn(A, found, span, each):
        return tuple(jnp.full_like(x, jnp.nan) for x in found)

    monkeypatch.setattr(_leading, "_checked", in_turn)
    many = jnp.asarray(stack("harmonic", last) * np.float32(scale))
    U, _ = _leading.of_stack(many, K, "auto")
    assert np.isnan(U).any() == (last != "flat")


def test_where_it_is_not_the_cpu_a_stack_is_one_eigenproblem():
    def program(platform):
        lowered = jax.jit(lambda A: _leading.of_stack(A, K, "auto")).trace(many)
        return lowered.lower(lowering_platforms=(platform,)).as_text()

    many = stack("two decades", "flat", "harmonic")
    for platform, at_once in (("cuda", True), ("cpu", False)):
        lines = program(platform).splitlines()
        assert any("syevd" in line and f"3x{N}x{N}" in line for line in lines) is at_once
        assert any("dot_general" in line and "batching_dims" in line for line in lines) is at_once


def test_checkify_adds_its_checks():
    A = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    solved = jax.jit(checkify.checkify(lambda A: vectors(A, 2, "auto"), checkify.all_checks))
    error, (U, V) = solved(A)
    assert error.get() is None
    assert (U.shape, V.shape) == ((6, 2), (2, 2))

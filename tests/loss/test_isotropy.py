"""Second derivatives of isotropy, by every route."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import linalg
from spacelearn_jax.loss import isotropy_loss

D = 20
SOLVERS = {"auto": "auto", "svd": "svd", "eigen": "eigen", "LowRank": linalg.LowRank(D)}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize(("B", "n_dir"), [(40, 3), (40, D), (D, D), (10, 3)])
def test_second_derivatives_are_those_of_finite_differences(x64, solver, B, n_dir):
    rng = np.random.default_rng(B)
    Z = rng.standard_normal((B, D)) / np.sqrt(1 + np.arange(D))
    # Two bases that share a direction: it is taken away twice, and counts.
    W = {"x": np.eye(D)[:4], "y": np.eye(D)[3:6]}
    step = 1e-5 * rng.standard_normal(Z.shape)
    slope = jax.jit(jax.grad(functools.partial(isotropy_loss, W=W, n_dir=n_dir, solver=solver)))
    got = jax.jvp(slope, (Z,), (step,))[1]
    wanted = (slope(Z + step) - slope(Z - step)) / 2
    np.testing.assert_allclose(got, wanted, atol=1e-6 * np.abs(wanted).max())


def test_a_repeated_value_has_a_finite_second_derivative(x64):
    Z = np.vstack([np.eye(6), -np.eye(6)])
    slope = jax.grad(functools.partial(isotropy_loss, W={"x": np.eye(6)[:2]}))
    got = jax.jvp(slope, (Z,), (np.random.default_rng(0).standard_normal(Z.shape),))[1]
    assert np.isfinite(got).all()


def spectra(D):
    rng = np.random.default_rng(0)
    strong = np.r_[1.0, 0.021 * (1 + 1e-3 * rng.standard_normal(D - 1))]
    return {
        "one over many alike": strong,
        "slow": 1 / np.arange(1, D + 1),
        "fast": 0.85 ** np.arange(D),
        "next to nothing": np.r_[np.linspace(2, 1, 8), np.full(D - 8, 1e-9)],
    }


@pytest.mark.parametrize("D", [100, 384])
@pytest.mark.parametrize("spectrum", spectra(8))
def test_values_are_those_of_an_svd(spectrum, D):
    rng = np.random.default_rng(1)
    # Orthogonal to a column of ones, so that the mean is 0.
    U = np.linalg.qr(np.c_[np.ones(2 * D), rng.standard_normal((2 * D, D))])[0][:, 1:]
    V = np.linalg.qr(rng.standard_normal((D, D)))[0]
    Z = ((U * spectra(D)[spectrum]) @ V.T).astype(np.float32)
    w = V[:, -1:].T.astype(np.float32)
    R = Z.astype(np.float64) - Z.mean(0, dtype=np.float64)
    R -= R @ w.T.astype(np.float64) @ w
    s = np.linalg.svd(R, compute_uv=False)[:40]
    expected = np.mean((s / s.mean() - 1) ** 2)
    assert isotropy_loss(Z, {"x": w}, 40) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("solver", ["auto", "svd"])
@pytest.mark.parametrize(
    ("B", "D", "K", "decades", "seed"),
    [(12, 14, 6, 2, 30), (12, 14, 10, 2, 48), (40, 16, 9, 2, 1), (30, 60, 57, 3, 10)],
)
def test_what_is_but_rounding_has_no_gradient(x64, B, D, K, decades, seed, solver):
    """Of a rest of rank D - K, of which more values are asked for than there are."""
    rng = np.random.default_rng(seed)
    W = {"q": np.linalg.qr(rng.normal(size=(D, D)))[0].T[:K]}
    axes = np.diag(10.0 ** -np.linspace(0, decades, D)) @ np.linalg.qr(rng.normal(size=(D, D)))[0]
    Z, step = rng.normal(size=(B, D)) @ axes, 1e-5 * rng.normal(size=(B, D)) @ axes
    value = jax.jit(functools.partial(isotropy_loss, W=W, n_dir=min(B, D), solver=solver))
    expected = value(Z + step) - value(Z - step)
    gradient = jax.jit(jax.grad(value))(Z)
    np.testing.assert_allclose(2 * np.sum(gradient * step), expected, rtol=1e-5)


def gradients(Z, W, n_dir, *, solver="auto", shards=None):
    """Returns those of the rows and of the bases."""
    if not shards:
        return jax.grad(isotropy_loss, (0, 1))(Z, W, n_dir, solver=solver)
    loss = functools.partial(isotropy_loss, n_dir=n_dir, solver=solver, axis_name="data")
    parts = Z.reshape(shards, -1, Z.shape[1])
    of_rows, of_bases = jax.vmap(jax.grad(loss, (0, 1)), (0, None), axis_name="data")(parts, W)
    return of_rows, jax.tree.map(lambda x: x.sum(axis=0), of_bases)


@pytest.mark.parametrize(("B", "D", "shards"), [(64, 16, None), (16, 64, None), (64, 16, 2)])
def test_a_batch_in_the_span_of_the_subspaces_has_no_gradient(B, D, shards):
    """Nothing but rounding is left of it."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((B, D)).astype(np.float32)
    W = np.linalg.qr(rng.standard_normal((D, D)))[0].T.astype(np.float32)
    got = gradients(Z, {"a": W[: D // 2], "b": W[D // 2 :]}, 8, shards=shards)
    assert not any(np.any(x) for x in jax.tree.leaves(got))


@pytest.mark.parametrize("solver", ["auto", "svd"])
@pytest.mark.parametrize("rows", ["many", "few", "shared"])
def test_gradients_of_bases_beside_strong_directions(rows, solver):
    """A derivative by W is along the strong images, which a small one must be orthogonal to."""
    B, D, n_dir = (30, 40, 24) if rows == "few" else (256, 40, 32)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0]
    Z = ((rng.standard_normal((B, D)) * (1.0 + np.arange(D)) ** -3) @ turn).astype(np.float32)
    W = {"x": np.linalg.qr(rng.standard_normal((D, 3)))[0].T.astype(np.float32)}

    def plain(w):
        R = Z64 - Z64 @ w.T @ w
        s = jnp.linalg.svd(R, compute_uv=False)[:n_dir]
        return jnp.mean((s / s.mean() - 1) ** 2)

    shards = 2 if rows == "shared" else None
    got = gradients(Z, W, n_dir, solver=solver, shards=shards)[1]["x"]
    with jax.enable_x64(True):
        Z64 = jnp.asarray(Z - Z.mean(axis=0, dtype=np.float64))
        expected = jax.grad(plain)(jnp.asarray(W["x"], jnp.float64))
    error = np.linalg.norm(got - np.asarray(expected))
    assert error < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("far", [100, 1000])
def test_few_rows_far_from_0(far, masked):
    rng = np.random.default_rng(0)
    Z = (rng.standard_normal((20, 64)) + far * rng.standard_normal(64)).astype(np.float32)
    near = Z.astype(np.float64) - Z.mean(axis=0, dtype=np.float64)
    W = {"x": np.eye(4, 64, dtype=np.float32)}
    expected = jax.value_and_grad(isotropy_loss)(near.astype(np.float32), W)
    where = None
    if masked:
        where = np.arange(128) % 6 == 1
        padded = np.full((128, 64), np.nan, np.float32)
        padded[np.flatnonzero(where)[:20]] = Z
        where[np.flatnonzero(where)[20:]] = False
        Z = padded
    value, slope = jax.value_and_grad(isotropy_loss)(Z, W, where=where)
    got = value, slope if where is None else slope[where]
    assert got[0] == pytest.approx(float(expected[0]), rel=3e-6)
    np.testing.assert_allclose(got[1], expected[1], atol=1e-5 * np.abs(expected[1]).max())

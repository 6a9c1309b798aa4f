"""The stability loss: both metrics, literally and where the literal formula fails."""

import jax
import numpy as np
import pytest

from spacelearn_jax import linalg, loss

from . import reference


def basis(k, seed=0, D=8, orthonormal=True):
    X = np.random.default_rng(seed).standard_normal((k, D))
    return np.linalg.qr(X.T)[0].T if orthonormal else X


def literal(W, W_prev):
    """0.5 ||P - P'||_F^2 with its derivative with respect to W."""
    change = W.T @ W - W_prev.T @ W_prev
    return 0.5 * np.sum(change**2), 2 * W @ change


def projector_loss(W, W_prev):
    return loss.stability_loss({"q": W}, {"q": W_prev}, metric="projector")


@pytest.mark.parametrize("orthonormal", [True, False])
@pytest.mark.parametrize(("k", "k_prev"), [(3, 3), (2, 4), (4, 2), (1, 1), (8, 8)])
def test_projector_distance_is_the_literal_one(x64, k, k_prev, orthonormal):
    """For rows that aren't orthonormal as well: W may be trained."""
    W, W_prev = basis(k, 0, orthonormal=orthonormal), basis(k_prev, 1, orthonormal=orthonormal)
    value, gradient = literal(W, W_prev)
    got, got_gradient = jax.value_and_grad(projector_loss)(W, W_prev)
    np.testing.assert_allclose(got, value, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(got_gradient, gradient, rtol=1e-10, atol=1e-12)


def test_projector_distance_is_the_sum_of_squared_sines(x64):
    W, W_prev = basis(3, 0), basis(3, 1)
    sines = np.sin(linalg.principal_angles(W, W_prev))
    np.testing.assert_allclose(projector_loss(W, W_prev), np.sum(sines**2), rtol=1e-12)


@pytest.mark.parametrize("angle", [1e-6, 1e-5, 1e-4, 1e-2, 1.0])
def test_tiny_angles_in_float32(angle):
    """K - ||W W'^T||^2 would read 0 below 3e-4."""
    e = np.eye(6, dtype=np.float32)
    turned = np.concatenate([[np.cos(angle) * e[0] + np.sin(angle) * e[3]], e[1:3]])
    turned = turned.astype(np.float32)
    np.testing.assert_allclose(projector_loss(turned, e[:3]), np.sin(angle) ** 2, rtol=1e-4)
    gradient = jax.grad(projector_loss)(turned, e[:3])
    np.testing.assert_allclose(gradient[0, 3], 2 * np.sin(angle), rtol=1e-4)


def test_no_change_is_nothing():
    W = basis(3).astype(np.float32)
    assert projector_loss(W, W) == 0
    assert not np.any(jax.grad(projector_loss)(W, W))


@pytest.mark.parametrize(("k", "D"), [(1, 2), (4, 16), (32, 256), (32, 1024), (128, 512)])
def test_another_basis_of_one_subspace_is_no_change(k, D):
    rng = np.random.default_rng(k)
    W = np.linalg.qr(rng.normal(size=(D, k)))[0].T
    turned = np.linalg.qr(rng.normal(size=(k, k)))[0] @ W
    W, turned = W.astype(np.float32), turned.astype(np.float32)
    assert projector_loss(W, W) == 0
    assert projector_loss(W, turned) == 0


@pytest.mark.parametrize("metric", ["basis", "projector"])
def test_mean_over_quantities(x64, metric):
    W = {"a": basis(3, 0), "b": basis(1, 1)}
    W_prev = {"a": basis(3, 2), "b": basis(1, 3), "extra": basis(2, 4)}
    got = loss.stability_loss(W, W_prev, metric=metric)
    np.testing.assert_allclose(got, reference.stability(W, W_prev, metric), rtol=1e-12)


def test_flipped_signs_are_no_change_of_the_subspace(x64):
    W = {"a": basis(3)}
    flipped = {"a": W["a"] * np.array([[1.0], [-1.0], [-1.0]])}
    np.testing.assert_allclose(loss.stability_loss(W, flipped), 8.0, rtol=1e-12)
    assert loss.stability_loss(W, flipped, metric="projector") < 1e-28


@pytest.mark.parametrize("metric", ["basis", "projector"])
def test_no_earlier_bases(metric):
    W = {"a": basis(3).astype(np.float32)}
    assert loss.stability_loss(W, None, metric=metric) == 0
    gradient = jax.grad(lambda W: loss.stability_loss(W, None, metric=metric))(W)
    assert not np.any(gradient["a"])


@pytest.mark.parametrize("metric", ["basis", "projector"])
def test_every_quantity_has_its_own(metric):
    rng = np.random.default_rng(0)
    sizes = {"a": 1, "b": 3, "c": 2}
    W, W_prev = (
        {q: rng.normal(size=(k, 6)).astype(np.float32) for q, k in sizes.items()} for _ in "ab"
    )
    got = loss.stability_loss(W, W_prev, metric=metric, reduction="none")
    for q in W:
        alone = loss.stability_loss({q: W[q]}, W_prev, metric=metric)
        np.testing.assert_allclose(got[q], alone, rtol=1e-5)
    if metric == "basis":
        np.testing.assert_allclose(got["b"], np.sum((W["b"] - W_prev["b"]) ** 2), rtol=1e-5)
    spoiled = W | {"b": np.full_like(W["b"], np.nan)}
    after = loss.stability_loss(spoiled, W_prev, metric=metric, reduction="none")
    assert np.isnan(after["b"])
    assert after["a"] == got["a"]
    assert after["c"] == got["c"]

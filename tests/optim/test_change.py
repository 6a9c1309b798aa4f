"""Change between two bases, written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import linalg, optim


def orthonormal(seed, k, D=7):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((D, k)))[0].T


@pytest.mark.parametrize(("k_old", "k_new"), [(3, 3), (2, 4), (4, 2), (1, 1)])
def test_definition(x64, k_old, k_new):
    old, new = orthonormal(0, k_old), orthonormal(1, k_new)
    got = optim.subspace_change(old, new)
    similarity = np.minimum(np.abs(old @ new.T), 1)
    best = similarity.max(axis=1)
    np.testing.assert_allclose(got["similarity_matrix"], similarity, atol=1e-15)
    np.testing.assert_allclose(got["per_dir_cos"], best, rtol=1e-13)
    np.testing.assert_allclose(got["mean_cos_sim"], best.mean(), rtol=1e-13)
    degrees = np.rad2deg(np.arccos(best))
    np.testing.assert_allclose(got["mean_angle_deg"], degrees.mean(), rtol=1e-9)
    angles = np.rad2deg(linalg.principal_angles(old, new))
    np.testing.assert_allclose(got["principal_angles_deg"], angles, rtol=1e-12)
    assert got["principal_angles_deg"].shape == (min(k_old, k_new),)


@pytest.mark.parametrize("degrees", [0.0, 5e-4, 2e-3, 0.1, 10.0, 60.0, 90.0])
def test_prescribed_angle_in_float32(degrees):
    t = np.deg2rad(degrees)
    old = np.eye(1, 3, dtype=np.float32)
    new = np.array([[np.cos(t), -np.sin(t), 0]], np.float32)
    expected = 0.0 if degrees < 1e-3 else degrees
    got = optim.subspace_change(old, -new)
    np.testing.assert_allclose(got["mean_angle_deg"], expected, rtol=2e-4)
    np.testing.assert_allclose(got["principal_angles_deg"], [degrees], rtol=2e-4)


def test_rows_longer_than_1_have_no_angle():
    """As in the original, whose cosine is cut at 1; the subspace is that of their directions."""
    new = np.eye(1, 3, dtype=np.float32)
    got = optim.subspace_change(np.array([[1.2, 0.1, 0]], np.float32), new)
    assert got["mean_angle_deg"] == 0
    assert got["mean_cos_sim"] == 1


def test_rotation_inside_the_subspace_is_seen_by_the_matched_angles_alone(x64):
    old = orthonormal(0, 3)
    R = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))[0]
    got = optim.subspace_change(old, R @ old)
    assert got["mean_angle_deg"] > 1
    np.testing.assert_allclose(got["principal_angles_deg"], 0, atol=1e-12)


def test_no_change_has_a_finite_gradient():
    old = orthonormal(0, 3).astype(np.float32)
    change = optim.subspace_change(old, old)
    assert change["mean_angle_deg"] == 0
    for key in change:
        gradient = jax.grad(lambda W, key=key: optim.subspace_change(old, W)[key].sum())(old)
        assert np.isfinite(gradient).all()


def test_gradient_is_finite_at_a_row_of_zeros():
    def angle(W):
        return optim.subspace_change(W, jnp.eye(2, 4))["mean_angle_deg"]

    assert np.isfinite(jax.grad(angle)(jnp.zeros((2, 4)))).all()

"""Principal angles against prescribed ones, and against the textbook formula."""

import jax
import numpy as np
import pytest
import scipy.linalg

from spacelearn_jax import linalg

from .matrices import orthonormal

ANGLES = {
    "spread": [0.1, 0.7, 1.3],
    "equal": [0.5, 0.5, 0.5],
    "none": [0.0, 0.0, 0.0],
    "right": [np.pi / 2, np.pi / 2, np.pi / 2],
    "tiny and right": [1e-6, 0.3, np.pi / 2],
    "nearly right": [0.2, np.pi / 2 - 1e-6, np.pi / 2],
}


def pair(angles: list[float], k_b: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns bases (3, 8) and (k_b, 8), k_b >= 3, with these angles between their spans."""
    rng = np.random.default_rng(seed)
    Q = orthonormal(rng, 8, 8)
    a, normal = Q[:, :3], Q[:, 3:6]
    b = a * np.cos(angles) + normal * np.sin(angles)
    W_b = np.concatenate([b.T, Q[:, 6 : 6 + k_b - 3].T])
    # Any other bases of the same spans.
    return orthonormal(rng, 3, 3) @ a.T, orthonormal(rng, k_b, k_b) @ W_b


@pytest.mark.parametrize("k_b", [3, 5])
@pytest.mark.parametrize("angles", ANGLES.values(), ids=ANGLES)
def test_prescribed_angles(x64, angles, k_b):
    W_a, W_b = pair(angles, k_b)
    for first, second in ((W_a, W_b), (W_b, W_a)):
        got = linalg.principal_angles(first, second)
        np.testing.assert_allclose(got, sorted(angles), rtol=1e-9, atol=1e-15)
        expected = scipy.linalg.subspace_angles(first.T, second.T)[::-1]
        np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("angle", [1e-6, 1e-5, 1e-3, 0.5, np.pi / 2 - 1e-6])
def test_float32_sees_a_microradian(angle):
    """The arc cosine of an overlap could see no angle below 3e-4 there."""
    e = np.eye(4, dtype=np.float32)
    turned = np.array([[np.cos(angle), np.sin(angle), 0, 0]], np.float32)
    np.testing.assert_allclose(linalg.principal_angles(e[:1], turned), [angle], rtol=1e-5)
    tilted = np.concatenate([turned, e[2:3]])
    np.testing.assert_allclose(
        linalg.principal_angles(e[[0, 2]], tilted), [0, angle], rtol=1e-5, atol=1e-9
    )


def test_gradient_is_that_of_the_angle(x64):
    e = np.eye(3)

    def angle(t):
        turned = jax.numpy.cos(t) * e[0] + jax.numpy.sin(t) * e[1]
        return linalg.principal_angles(e[:1], turned[None])[0]

    for t in (1e-6, 0.4, 1.2, np.pi / 2 - 1e-6):
        np.testing.assert_allclose(jax.grad(angle)(t), 1.0, rtol=1e-6)
    for t in (0.0, np.pi / 2):
        assert np.isfinite(jax.grad(angle)(t))


def test_line_in_a_plane():
    e = np.eye(4, dtype=np.float32)
    np.testing.assert_array_equal(linalg.principal_angles(e[:1], e[:3]), [0.0])
    np.testing.assert_allclose(linalg.principal_angles(e[3:], e[:3]), [np.pi / 2], rtol=1e-7)

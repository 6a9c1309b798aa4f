"""The augmentation commutes with the physics."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.demo.quantities import flow_quantities
from spacelearn_jax.demo.symmetry import transform


def vorticity(count, n=16, seed=0):
    rng = np.random.default_rng(seed)
    k = np.abs(np.fft.fftfreq(n, 1 / n))
    keep = (k[:, None] <= 3) & (k[None, :] <= 3)
    keep[0, 0] = False
    noise = np.fft.fft2(rng.normal(size=(count, n, n)))
    return jnp.asarray(np.fft.ifft2(noise * keep).real, jnp.float32)


def test_quantities_of_the_transformed_flow_are_the_transformed_quantities():
    w = vorticity(24)
    moved = transform(flow_quantities(w), jax.random.bits(jax.random.key(0), (24, 5)))
    again = flow_quantities(moved["vorticity"])
    for q in again:
        np.testing.assert_allclose(moved[q], again[q], atol=3e-6 * np.abs(again[q]).max() + 1e-6)


def test_all_eight_symmetries_of_the_square():
    w = vorticity(1)
    choices = list(itertools.product([0, 1], repeat=3))
    bits = jnp.asarray([[0, 0, *choice] for choice in choices], jnp.uint32)
    images = np.asarray(transform({"energy": jnp.repeat(w, 8, axis=0)}, bits)["energy"])
    assert len({image.tobytes() for image in images}) == 8
    wanted = {
        np.ascontiguousarray(np.rot90(side, turns)).tobytes()
        for side in (np.asarray(w[0]), np.asarray(w[0]).T)
        for turns in range(4)
    }
    assert {image.tobytes() for image in images} == wanted


def test_no_bits_change_nothing():
    w = vorticity(3)
    moved = transform({"vorticity": w}, jnp.zeros((3, 5), jnp.uint32))["vorticity"]
    np.testing.assert_array_equal(moved, w)


def test_shifts_are_shifts():
    w = vorticity(1)
    bits = jnp.asarray([[2, 5, 0, 0, 0]], jnp.uint32)
    moved = transform({"vorticity": w}, bits)["vorticity"]
    np.testing.assert_array_equal(moved[0], np.roll(w[0], (-2, -5), (0, 1)))


def test_wrong_bits():
    with pytest.raises(ValueError, match=r"bits must be of shape \(B, 5\)"):
        transform({"vorticity": vorticity(2)}, jnp.zeros((2, 4), jnp.uint32))

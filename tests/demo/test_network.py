"""The network's parts against plain Flax, and the symmetry they keep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from spacelearn_jax.demo.network import Autoencoder, PeriodicConv, from_patches, to_patches


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_periodic_conv_is_flax_with_circular_padding(kernel):
    ours = PeriodicConv(3, 4, kernel, rngs=nnx.Rngs(0))
    theirs = nnx.Conv(3, 4, (kernel, kernel), padding="CIRCULAR", rngs=nnx.Rngs(1))
    theirs.kernel[...] = ours.linear.kernel[...].reshape(kernel, kernel, 3, 4)
    theirs.bias[...] = ours.linear.bias[...]
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_patches_keep_neighbours_together():
    x = jnp.arange(32.0 * 16).reshape(1, 32, 16)
    patches = to_patches(x)
    np.testing.assert_array_equal(patches[0, 1, 2].reshape(4, 2), x[0, 4:8, 4:6])
    np.testing.assert_array_equal(from_patches(patches, (32, 16)), x)


@pytest.mark.parametrize("grid", [(16, 16), (32, 32), (24, 40)])
def test_shapes(grid):
    net = Autoencoder(grid, 10, width=4, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (3, *grid))
    assert net.encode(x).shape == (3, 10)
    assert net.decode(net.encode(x)).shape == (3, *grid)


def test_a_new_latent_is_linear_in_the_field():
    net = Autoencoder((16, 16), 10, width=4, rngs=nnx.Rngs(0))
    x, y = jax.random.normal(jax.random.key(0), (2, 3, 16, 16))
    origin = net.encode(jnp.zeros_like(x))
    np.testing.assert_allclose(
        net.encode(x + y) + origin, net.encode(x) + net.encode(y), rtol=1e-4, atol=1e-4
    )

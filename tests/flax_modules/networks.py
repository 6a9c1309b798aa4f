"""A small regression whose latents carry two quantities."""

import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx

from spacelearn_jax import flax_linen, flax_nnx
from spacelearn_jax.loss import combined_loss

TARGETS = {"p": (2,), "s": ()}
TRACKED = {"k": {"p": 2, "s": 1}, "every": 3, "decay": 0.8}


def data(seed, B=32):
    """Returns inputs and the targets computed from them."""
    x = np.random.default_rng(seed).normal(size=(B, 4)).astype(np.float32)
    return x, {"p": np.sin(x[:, :2]), "s": x[:, 2] * 0.5}


class Network(nnx.Module):
    """An encoder whose latent is tracked, and a head that reconstructs."""

    def __init__(self, rngs):
        self.encoder = nnx.Linear(4, 8, rngs=rngs)
        self.head = nnx.Linear(8, 4, rngs=rngs)
        self.tracker = flax_nnx.SubspaceTracker(8, TARGETS, **TRACKED)

    def __call__(self, x, Y=None):
        z = nnx.tanh(self.encoder(x))
        return self.head(z), z, self.tracker(z, Y)


class LinenNetwork(linen.Module):
    """The same in Linen."""

    @linen.compact
    def __call__(self, x, Y=None, train=True):
        z = jnp.tanh(linen.Dense(8, name="encoder")(x))
        tracker = flax_linen.SubspaceTracker(**TRACKED, name="tracker")
        space = tracker(z, Y, use_running_average=not train)
        return linen.Dense(4, name="head")(z), z, space


def loss_of(x, Y, y, z, space):
    """Returns the loss of one forward pass."""
    return optax.l2_loss(y, x).mean() + combined_loss(
        z, space.W, space.A, Y, None, n_dir=4, weights={"isotropy": 0.01}
    )

"""A small problem in plain JAX: reconstruct inputs, with two quantities in the latent."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from spacelearn_jax.loss import combined_loss
from spacelearn_jax.training import track_subspaces

D = 8
TRACKER = track_subspaces({"p": 2, "s": 1}, every=5, decay=0.9)


def data(seed, B=64):
    """Returns inputs (B, 6) and the quantities they determine."""
    x = np.random.default_rng(seed).normal(size=(B, 6)).astype(np.float32)
    return x, {"p": np.sin(x[:, :2]), "s": x[:, 2] * x[:, 3] + x[:, 4]}


def epoch(steps):
    """Returns the batches of several steps, stacked."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *[data(i) for i in range(steps)])


def start(optimizer):
    """Returns parameters, the optimizer's state and the tracker's."""
    rng = np.random.default_rng(7)
    shapes = {"in": (6, 32), "out": (32, D), "head": (D, 6)}
    params = {
        name: {
            "w": jnp.asarray(rng.normal(size=shape) / np.sqrt(shape[0]), jnp.float32),
            "b": jnp.zeros(shape[1], jnp.float32),
        }
        for name, shape in shapes.items()
    }
    x, Y = data(1000)
    return params, optimizer.init(params), TRACKER.init(encode(params, x), Y)


def encode(params, x, dtype=jnp.float32):
    """Returns latents, computed in ``dtype``."""
    p = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    h = jnp.tanh(x.astype(dtype) @ p["in"]["w"] + p["in"]["b"])
    return h @ p["out"]["w"] + p["out"]["b"]


def loss(params, x, Y, space, dtype=jnp.float32):
    """Returns the loss and the latents."""
    z = encode(params, x, dtype)
    y = z.astype(jnp.float32) @ params["head"]["w"] + params["head"]["b"]
    total, terms = combined_loss(
        z, space.W, space.A, Y, None, n_dir=4, weights={"isotropy": 0.01}, return_terms=True
    )
    return 0.1 * optax.l2_loss(y, x).mean() + total, (z, terms)


def step(optimizer, carry, batch, dtype=jnp.float32):
    """One step of training, the tracker's included."""
    params, opt_state, state = carry
    function = jax.value_and_grad(partial(loss, dtype=dtype), has_aux=True)
    (value, (z, terms)), grads = function(params, *batch, state.space)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    state = TRACKER.update(z, batch[1], state)
    return (optax.apply_updates(params, updates), opt_state, state), (value, terms)


def train(optimizer, steps, step=step, **options):
    """Trains in one scan and returns the final carry and the losses."""
    body = partial(step, optimizer, **options)
    carry, out = jax.jit(lambda c, b: jax.lax.scan(body, c, b))(start(optimizer), epoch(steps))
    return carry, out[0] if isinstance(out, tuple) else out


def r2(params, space):
    """Returns held-out R^2 of every quantity, decoded from its own subspace."""
    x, Y = data(2000, B=512)
    decoded = jax.jit(lambda p, s: s.decode(encode(p, x)))(params, space)
    return {
        q: 1 - np.sum((y - np.asarray(decoded[q])) ** 2) / np.sum((y - y.mean(0)) ** 2)
        for q, y in Y.items()
    }


def assert_learned(carry, losses, *, above=0.85):
    """Requires that the loss fell and that held-out quantities can be read."""
    losses = np.asarray(losses)
    assert np.isfinite(losses).all()
    assert losses[-10:].mean() < 0.5 * losses[:3].mean(), (losses[:3], losses[-10:])
    scores = r2(carry[0], carry[2].space)
    assert min(scores.values()) > above, scores

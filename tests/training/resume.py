"""Two runs that can be stopped and resumed; as a program, it resumes them.

``resume.py FOLDER`` restores what the test saved in the middle and writes the end.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from flax import nnx

from spacelearn_jax.flax_nnx import SubspaceTracker
from spacelearn_jax.loss import alignment_loss, stability_loss
from spacelearn_jax.training import track_subspaces

STEPS, MIDDLE = 12, 7
TARGETS = {"p": (2,), "s": ()}
TRACKER = track_subspaces(2, every=4, decay=0.9)
OPTIMIZER = optax.adam(1e-2)


def data(seed):
    """Returns one batch."""
    x = np.random.default_rng(seed).normal(size=(32, 6)).astype(np.float32)
    return x, {"p": np.sin(x[:, :2]), "s": x[:, 2]}


class Network(nnx.Module):
    """An encoder, with the tracker inside."""

    def __init__(self):
        self.encoder = nnx.Linear(6, 8, rngs=nnx.Rngs(0))
        self.tracker = SubspaceTracker(8, TARGETS, k=2, every=4, decay=0.9)

    def __call__(self, x, Y):
        z = nnx.tanh(self.encoder(x))
        space = self.tracker(z, Y)
        return alignment_loss(z, space.W, space.A, Y)


@jax.jit
def plain_step(carry, batch):
    """One step over pytrees."""
    params, opt_state, state = carry
    x, Y = batch

    def loss(params):
        z = jnp.tanh(x @ params["w"] + params["b"])
        value = alignment_loss(z, state.space.W, state.space.A, Y)
        return value + stability_loss(state.space.W, state.W_prev), z

    (_, z), grads = jax.value_and_grad(loss, has_aux=True)(params)
    updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, TRACKER.update(z, Y, state)


def plain_start():
    """Returns the run over pytrees before its first step."""
    w = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    params = {"w": jnp.asarray(w), "b": jnp.zeros(8, jnp.float32)}
    x, Y = data(100)
    return params, OPTIMIZER.init(params), TRACKER.init(np.tanh(x @ w), Y)


@nnx.jit
def nnx_step(model, optimizer, batch):
    """One step over modules."""
    grads = nnx.grad(lambda m: m(*batch))(model)
    optimizer.update(model, grads)


def nnx_start():
    """Returns the run over modules before its first step."""
    model = Network()
    return model, nnx.Optimizer(model, OPTIMIZER, wrt=nnx.Param)


def save(folder, tree):
    """Saves a pytree."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder, tree)


def restore(folder, like):
    """Restores a pytree of the structure, shapes and dtypes of another."""
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(folder, jax.tree.map(ocp.utils.to_shape_dtype_struct, like))


def end(carry, modules):
    """Returns every array of both runs by path."""
    leaves = jax.tree.leaves_with_path((carry, nnx.state(modules)))
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


def main(folder):
    """Resumes both runs."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        carry = restore(folder / "plain", jax.eval_shape(plain_start))
        modules = nnx_start()
        nnx.update(modules, restore(folder / "nnx", nnx.state(modules)))
        for i in range(MIDDLE, STEPS):
            carry = plain_step(carry, data(i))
            nnx_step(*modules, data(i))
        np.savez(folder / "end.npz", **end(carry, modules))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

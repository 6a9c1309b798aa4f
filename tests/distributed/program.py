"""One process of several: ``program.py FOLDER COUNT INDEX COORDINATOR DIES_AT``.

All train a network with a tracker inside on rows of their own, and stream rows of their own.
The first keeps a checkpoint of every step and writes what came out.
"""

import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from spacelearn_jax import Moments, combined_loss, fit_stream
from spacelearn_jax.flax_nnx import SubspaceTracker

STEPS, B, INPUTS, D = 10, 24, 5, 8
SHAPES = {"energy": (), "first": (2,)}


def rows(step, index, count):
    """Reads the rows of one step that belong to one process."""
    part = slice(index * B // count, (index + 1) * B // count)
    x = np.random.default_rng(step).normal(size=(B, INPUTS))[part]
    return x, {"energy": (x**2).sum(1), "first": x[:, :2]}


class Network(nnx.Module):
    """An autoencoder, with the tracker inside."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.encoder = nnx.Linear(INPUTS, D, rngs=rngs, param_dtype=float)
        self.decoder = nnx.Linear(D, INPUTS, rngs=rngs, param_dtype=float)
        self.tracker = SubspaceTracker(D, SHAPES, k=2, every=3, decay=0.9, dtype=float)

    def __call__(self, x, Y):
        Z = nnx.tanh(self.encoder(x))
        space = self.tracker(Z, Y)
        loss = combined_loss(Z, space.W, space.A, Y, None, n_dir=3)
        return loss + jnp.mean((self.decoder(Z) - x) ** 2)


def create():
    """Builds network and optimizer."""
    model = Network()
    return nnx.split((model, nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)))


def save(path, arrays):
    """Replaces a file in one go."""
    with open(f"{path}.part", "wb") as file:
        np.savez(file, **arrays)
    os.replace(f"{path}.part", path)


def main(folder, count, index, coordinator, dies_at):
    if count > 1:
        jax.distributed.initialize(coordinator, count, index, heartbeat_timeout_seconds=10)
    assert jax.process_count() == count
    mesh = jax.make_mesh((count,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    by_rows, shared = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())

    def read(step):
        local = rows(step, index, count)
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(by_rows, x), local)

    graph = nnx.split(nnx.eval_shape(lambda: nnx.merge(*create())))[0]

    @jax.jit(out_shardings=shared)
    def train_step(state, x, Y):
        model, optimizer = nnx.merge(graph, state)
        loss, grads = nnx.value_and_grad(lambda m: m(x, Y))(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer)), loss

    @jax.jit(out_shardings=shared)
    def moments(m, x, Y):
        return m.update(x, Y)

    state = jax.jit(lambda: create()[1], out_shardings=shared)()
    m = jax.jit(lambda: Moments.zeros(INPUTS, SHAPES, float), out_shardings=shared)()
    losses = np.zeros(STEPS)
    first, checkpoint = 0, folder / "checkpoint.npz"
    leaves, structure = jax.tree.flatten((state, m))
    if checkpoint.exists():
        with np.load(checkpoint) as saved:
            first, losses = int(saved["step"]), saved["losses"]
            kept = [saved[f"leaf.{i}"] for i in range(len(leaves))]
        whole = [jax.make_array_from_callback(x.shape, shared, x.__getitem__) for x in kept]
        state, m = jax.tree.unflatten(structure, whole)
        sys.stdout.write(f"resumed at {first}\n")

    for step in range(first, STEPS):
        if step == dies_at:
            os._exit(9)
        x, Y = read(step)
        state, loss = train_step(state, x, Y)
        m = moments(m, x, Y)
        losses[step] = loss
        leaves = [np.asarray(x.addressable_data(0)) for x in jax.tree.leaves((state, m))]
        arrays = {f"leaf.{i}": x for i, x in enumerate(leaves)}
        if index == 0:
            save(checkpoint, arrays | {"step": step + 1, "losses": losses})

    own = (rows(step, index, count) for step in range(STEPS))
    space = fit_stream(own, k=2, checkpoint=folder / f"stream.{index}", across_processes=True)
    for q, w in space.W.items():
        arrays |= {f"W.{q}": w.T @ w, f"decoder.{q}": w.T @ space.A[q].reshape(w.shape[0], -1)}
    save(folder / f"result.{index}.npz", arrays | {"losses": losses})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))

"""Training an autoencoder, with SPACE or without, by one compiled step."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from spacelearn_jax import Space, combined_loss
from spacelearn_jax.demo.batches import Arrays, Scales, draw, in_batches, normalized
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import Sizes, pooled
from spacelearn_jax.demo.network import Autoencoder, initial_weights
from spacelearn_jax.training import TrackerState, track_subspaces

SPACE_TERMS = ("alignment", "disentanglement", "isotropy", "stability")
TERMS = ("reconstruction", *SPACE_TERMS)
"""Terms of the loss, in the order that they are shown."""


class State(NamedTuple):
    """What changes from step to step.

    Attributes:
        params: Weights of the network.
        opt_state: State of the optimizer.
        tracker: Subspaces and the moments that they are solved from. Without guidance it
            stays empty.
        step: Steps done, int32.
        key: Random key of the next batch.
    """

    params: Any
    opt_state: Any
    tracker: TrackerState
    step: jax.Array
    key: jax.Array


class Programs(NamedTuple):
    """Compiled functions, the same for both networks.

    Attributes:
        graph: Structure of the network, for ``nnx.merge`` with its weights.
        init: ``init(data) -> State``.
        step: ``step(state, guided, data, scales) -> (state, terms)``; no compilation
            after the first call.
        encode: ``encode(params, fields, scales) -> Z``, any number of samples.
        decode: ``decode(params, Z, scales) -> fields``, any number of samples.
    """

    graph: Any
    init: Callable[[Arrays], State]
    step: Callable[..., tuple[State, dict[str, jax.Array]]]
    encode: Callable[..., jax.Array]
    decode: Callable[..., jax.Array]


def build(config: Config, sizes: Sizes, grid: tuple[int, int], *, flow: bool) -> Programs:
    """Builds network, optimizer, tracker and compiled functions.

    Args:
        config: Settings of the run.
        sizes: Bins, subspace dimensions and latent dimension.
        grid: H and W of the fields.
        flow: Whether the symmetries of a flow hold.

    Returns:
        The compiled functions.

    Example:
        >>> import jax.numpy as jnp
        >>> data = jnp.ones((5, 16, 16)), {"mean": jnp.ones(5)}
        >>> programs = build(Config.fast(), Sizes({}, {"mean": 1}, 8), (16, 16), flow=False)
        >>> int(programs.init(data).step)
        0
    """
    graph, structure = nnx.split(
        nnx.eval_shape(
            lambda: Autoencoder(grid, sizes.latent_dim, width=config.width, rngs=nnx.Rngs(0))
        )
    )
    warmup = max(1, min(round(config.warmup * config.steps), config.steps - 1))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, warmup, max(2, config.steps), 0.01 * config.learning_rate
    )
    # As one vector, because an update of every leaf by itself takes seconds to compile.
    optimizer = optax.flatten(
        optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(schedule))
    )
    weights = {"disentanglement": config.disentanglement, "isotropy": config.isotropy}
    tracker = track_subspaces(sizes.k, every=config.refresh_every, decay=config.decay)

    @jax.jit
    def init(data: Arrays) -> State:
        key, weights_key = jax.random.split(jax.random.key(config.seed))
        params = initial_weights(structure, weights_key)
        Y = jax.eval_shape(lambda targets: pooled(targets, sizes.bins), data[1])
        rows = next(iter(Y.values())).shape[0]
        Z = jax.ShapeDtypeStruct((rows, sizes.latent_dim), jnp.float32)
        unsolved = jax.tree.map(
            lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(tracker.init, Z, Y)
        )
        return State(params, optimizer.init(params), unsolved, jnp.zeros((), jnp.int32), key)

    def inputs(fields: jax.Array, scales: Scales) -> jax.Array:
        return (fields - scales.field[0]) / scales.field[1]

    def space_loss(
        Z: jax.Array, Y: dict[str, jax.Array], state: TrackerState
    ) -> tuple[jax.Array, tuple[dict[str, jax.Array], TrackerState]]:
        state = tracker.update(jax.lax.stop_gradient(Z), Y, state)
        W, A = state.space.W, state.space.A
        total, terms = combined_loss(
            Z, W, A, Y, state.W_prev, weights=weights, metric="projector", return_terms=True
        )
        return total, (terms, state)

    def no_loss(
        Z: jax.Array, Y: dict[str, jax.Array], state: TrackerState
    ) -> tuple[jax.Array, tuple[dict[str, jax.Array], TrackerState]]:
        zero = jnp.zeros((), Z.dtype)
        return zero, (dict.fromkeys(SPACE_TERMS, zero), state)

    def objective(
        params: Any,
        x: jax.Array,
        Y: dict[str, jax.Array],
        state: TrackerState,
        guided: jax.Array,
        weight: jax.Array,
    ) -> tuple[jax.Array, tuple[dict[str, jax.Array], TrackerState]]:
        model = nnx.merge(graph, params)
        Z = model.encode(x)
        reconstruction = jnp.mean((model.decode(Z) - x) ** 2)
        total = weight * reconstruction + config.latent_decay * jnp.mean(Z**2)
        # Both networks share one program, as compiling it takes longer than many a step;
        # of the two branches only one runs.
        guidance, (terms, state) = jax.lax.cond(guided, space_loss, no_loss, Z, Y, state)
        return total + guidance, ({"reconstruction": reconstruction, **terms}, state)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(
        state: State, guided: jax.Array, data: Arrays, scales: Scales
    ) -> tuple[State, dict[str, jax.Array]]:
        key, batch_key = jax.random.split(state.key)
        fields, targets = draw(data, batch_key, size=config.batch_size, flow=flow)
        Y = normalized(pooled(targets, sizes.bins), scales)
        first, last = config.reconstruction
        rise = jnp.clip(2 * state.step.astype(jnp.float32) / config.steps - 0.5, 0, 1)
        weight = first * (last / first) ** rise
        grads, (terms, tracked) = jax.grad(objective, has_aux=True)(
            state.params, inputs(fields, scales), Y, state.tracker, guided, weight
        )
        # Optax counts in integers and mixes them with floats, whatever the caller forbids.
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, opt_state, tracked, state.step + 1, key), terms

    @jax.jit
    def encode(params: Any, fields: jax.Array, scales: Scales) -> jax.Array:
        model = nnx.merge(graph, params)
        return in_batches(model.encode, inputs(fields, scales), config.batch_size)

    @jax.jit
    def decode(params: Any, Z: jax.Array, scales: Scales) -> jax.Array:
        model = nnx.merge(graph, params)
        return in_batches(model.decode, Z, config.batch_size) * scales.field[1] + scales.field[0]

    return Programs(graph, init, step, encode, decode)


class Progress(NamedTuple):
    """The state of a training after some step.

    Attributes:
        step: Steps done.
        state: The training state. The next step reuses its memory, so don't keep it.
        space: A copy of the subspaces in use, or None for an unguided training.
        terms: Unweighted terms of the loss in the last batch.
    """

    step: int
    state: State
    space: Space | None
    terms: dict[str, float]


def train(
    programs: Programs, config: Config, data: Arrays, scales: Scales, *, guided: bool
) -> Iterator[Progress]:
    """Trains, and pauses every few steps.

    Args:
        programs: Compiled functions.
        config: Settings of the run.
        data: Training fields and targets.
        scales: What they are normalized by.
        guided: Whether the SPACE terms are part of the loss. Without them network,
            batches and schedule are the same.

    Yields:
        The progress, the last time after the last step.

    Example:
        >>> import dataclasses, numpy as np
        >>> from spacelearn_jax.demo.batches import measure_scales, on_device
        >>> from spacelearn_jax.demo.dataset import Dataset
        >>> x = np.random.default_rng(0).normal(size=(80, 16, 16)).astype(np.float32)
        >>> dataset = Dataset(x, {"mean": x.mean((1, 2))}, np.arange(80))
        >>> config = dataclasses.replace(Config.fast(), steps=3, width=2)
        >>> sizes = Sizes({}, {"mean": 1}, 8)
        >>> programs = build(config, sizes, (16, 16), flow=False)
        >>> arrays, scales = on_device(dataset), measure_scales(dataset, sizes)
        >>> [p.step for p in train(programs, config, arrays, scales, guided=True)]
        [3]
    """
    state = programs.init(data)
    flag = jnp.asarray(guided)
    for i in range(1, config.steps + 1):
        state, terms = programs.step(state, flag, data, scales)
        # Reading the terms waits for the device, so not at every step.
        if i % 5 == 0 or i == config.steps:
            values = {q: float(v) for q, v in jax.device_get(terms).items()}
            shown = {q: values[q] for q in (TERMS if guided else TERMS[:1])}
            # Copied, as the next step reuses the memory of the state.
            space = jax.tree.map(jnp.copy, state.tracker.space) if guided else None
            yield Progress(i, state, space, shown)

"""Training an autoencoder, with SPACE or without, by one compiled step."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from spacelearn_jax import Space, combined_loss, solve_subspaces
from spacelearn_jax.demo import symmetry
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import Dataset, Sizes, pooled
from spacelearn_jax.demo.network import Autoencoder

TERMS = ("reconstruction", "alignment", "disentanglement", "isotropy", "stability")
"""Terms of the loss, in the order that they are shown."""

Arrays = tuple[jax.Array, dict[str, jax.Array]]
"""Fields (B, H, W) and targets ``{quantity: (B, ...)}``."""


class Scales(NamedTuple):
    """Mean and standard deviation of fields and pooled targets, over samples and points.

    Attributes:
        field: Mean and deviation of the fields.
        targets: ``{quantity: (mean, deviation)}``.
    """

    field: tuple[jax.Array, jax.Array]
    targets: dict[str, tuple[jax.Array, jax.Array]]


class State(NamedTuple):
    """What changes from step to step.

    Attributes:
        params: Weights of the network.
        opt_state: State of the optimizer.
        step: Steps done, int32.
        key: Random key of the next batch.
    """

    params: Any
    opt_state: Any
    step: jax.Array
    key: jax.Array


class Programs(NamedTuple):
    """Compiled functions of one network.

    Attributes:
        init: ``init() -> State``.
        step: ``step(state, data, scales, W, A, W_prev) -> (state, terms)``; no
            compilation after the first call.
        solve: ``solve(params, data, scales, key) -> Space``, from normalized targets.
        encode: ``encode(params, fields, scales) -> Z``, any number of samples.
        decode: ``decode(params, Z, scales) -> fields``, any number of samples.
    """

    init: Callable[[], State]
    step: Callable[..., tuple[State, dict[str, jax.Array]]]
    solve: Callable[..., Space]
    encode: Callable[..., jax.Array]
    decode: Callable[..., jax.Array]


def measure_scales(train: Dataset, sizes: Sizes) -> Scales:
    """Measures what inputs and targets are normalized by.

    Every quantity gets mean 0 and unit variance, so that all weigh the same in the
    alignment term whatever their units.

    Args:
        train: Training samples.
        sizes: Bins of the targets that are fields.

    Returns:
        The scales, all scalars.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(40, 16, 16)).astype(np.float32)
        >>> data = Dataset(x, {"mean": x.mean((1, 2))}, np.arange(40))
        >>> scales = measure_scales(data, Sizes({}, {"mean": 1}, 8))
        >>> print(scales.field[1].round(1))
        1.0
    """

    def moments(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = jnp.mean(y)
        spread = jnp.sqrt(jnp.mean(jnp.var(y, axis=0)))
        return mean, jnp.where(spread > 0, spread, 1)

    targets = {q: jnp.asarray(y) for q, y in train.targets.items()}
    values = {q: moments(y) for q, y in pooled(targets, sizes.bins).items()}
    fields = jnp.asarray(train.fields)
    return Scales((jnp.mean(fields), jnp.std(fields)), values)


def on_device(dataset: Dataset) -> Arrays:
    """Moves fields and targets to the default device."""
    return jnp.asarray(dataset.fields), {q: jnp.asarray(y) for q, y in dataset.targets.items()}


@functools.partial(jax.jit, static_argnames=("size", "flow"))
def draw(data: Arrays, key: jax.Array, *, size: int, flow: bool) -> Arrays:
    """Draws a random batch, transformed at random where the data allow it.

    Args:
        data: Fields and targets.
        key: Random key.
        size: Samples to draw, with replacement.
        flow: Whether the symmetries of a flow hold (see ``Dataset``).

    Returns:
        Fields and targets of the batch, not pooled or normalized.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> data = jnp.ones((5, 16, 16)), {"mean": jnp.ones(5)}
        >>> fields, targets = draw(data, jax.random.key(0), size=3, flow=False)
        >>> fields.shape, targets["mean"].shape
        ((3, 16, 16), (3,))
    """
    fields, targets = data
    # All in one call: each use of a key is a large program of its own.
    bits = jax.random.bits(key, (size, 6))
    rows = (bits[:, 0] % jnp.uint32(fields.shape[0])).astype(jnp.int32)
    picked = {q: y[rows] for q, y in targets.items()}
    if not flow:
        return fields[rows], picked
    moved = symmetry.transform(picked, bits[:, 1:])
    return moved["vorticity"], moved


def normalized(targets: Mapping[str, jax.Array], scales: Scales) -> dict[str, jax.Array]:
    """Centres and scales pooled targets."""
    return {q: (y - scales.targets[q][0]) / scales.targets[q][1] for q, y in targets.items()}


def in_batches(function: Callable[[jax.Array], jax.Array], rows: jax.Array, size: int) -> jax.Array:
    """Applies a function to ``size`` rows at a time, which keeps its memory in cache."""
    count = rows.shape[0]
    size = min(size, count)
    padded = jnp.concatenate([rows, jnp.repeat(rows[-1:], -count % size, axis=0)])
    results = jax.lax.map(function, padded.reshape(-1, size, *rows.shape[1:]))
    return results.reshape(-1, *results.shape[2:])[:count]


def build(
    config: Config, sizes: Sizes, grid: tuple[int, int], *, flow: bool, guided: bool
) -> Programs:
    """Builds network, optimizer and compiled functions.

    Args:
        config: Settings of the run.
        sizes: Bins, subspace dimensions and latent dimension.
        grid: H and W of the fields.
        flow: Whether the symmetries of a flow hold.
        guided: Whether the SPACE terms are part of the loss. Without them the step
            ignores its subspaces; network, batches and schedule are the same.

    Returns:
        The compiled functions.

    Example:
        >>> sizes = Sizes({}, {"mean": 1}, 8)
        >>> programs = build(Config.fast(), sizes, (16, 16), flow=False, guided=False)
        >>> int(programs.init().step)
        0
    """

    def initial() -> Autoencoder:
        return Autoencoder(grid, sizes.latent_dim, width=config.width, rngs=nnx.Rngs(config.seed))

    graph, _ = nnx.split(nnx.eval_shape(initial))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0,
        config.learning_rate,
        max(1, min(round(config.warmup * config.steps), config.steps - 1)),
        max(2, config.steps),
        0.01 * config.learning_rate,
    )
    optimizer = optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.adam(schedule))
    weights = {"disentanglement": config.disentanglement, "isotropy": config.isotropy}

    @jax.jit
    def init() -> State:
        params = nnx.split(initial())[1]
        key = jax.random.key(config.seed)
        return State(params, optimizer.init(params), jnp.zeros((), jnp.int32), key)

    def inputs(fields: jax.Array, scales: Scales) -> jax.Array:
        return (fields - scales.field[0]) / scales.field[1]

    def objective(
        params: Any, x: jax.Array, Y: Any, W: Any, A: Any, W_prev: Any, weight: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        model = nnx.merge(graph, params)
        Z = model.encode(x)
        reconstruction = jnp.mean((model.decode(Z) - x) ** 2)
        total = weight * reconstruction + config.latent_decay * jnp.mean(Z**2)
        if not guided:
            return total, {"reconstruction": reconstruction}
        space_loss, terms = combined_loss(
            Z, W, A, Y, W_prev, weights=weights, metric="projector", return_terms=True
        )
        return total + space_loss, {"reconstruction": reconstruction, **terms}

    @functools.partial(jax.jit, donate_argnums=0)
    def step(
        state: State, data: Arrays, scales: Scales, W: Any, A: Any, W_prev: Any
    ) -> tuple[State, dict[str, jax.Array]]:
        key, batch_key = jax.random.split(state.key)
        fields, targets = draw(data, batch_key, size=config.batch_size, flow=flow)
        Y = normalized(pooled(targets, sizes.bins), scales)
        first, last = config.reconstruction
        rise = jnp.clip(2 * state.step.astype(jnp.float32) / config.steps - 0.5, 0, 1)
        weight = first * (last / first) ** rise
        grads, terms = jax.grad(objective, has_aux=True)(
            state.params, inputs(fields, scales), Y, W, A, W_prev, weight
        )
        # Optax counts in integers and mixes them with floats, whatever the caller forbids.
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return State(params, opt_state, state.step + 1, key), terms

    @jax.jit
    def encode(params: Any, fields: jax.Array, scales: Scales) -> jax.Array:
        model = nnx.merge(graph, params)
        return in_batches(model.encode, inputs(fields, scales), config.batch_size)

    @jax.jit
    def decode(params: Any, Z: jax.Array, scales: Scales) -> jax.Array:
        model = nnx.merge(graph, params)
        return in_batches(model.decode, Z, config.batch_size) * scales.field[1] + scales.field[0]

    @jax.jit
    def solve(params: Any, data: Arrays, scales: Scales, key: jax.Array) -> Space:
        fields, targets = draw(data, key, size=config.reference_size, flow=flow)
        Y = normalized(pooled(targets, sizes.bins), scales)
        return solve_subspaces(encode(params, fields, scales), Y, k=sizes.k)

    return Programs(init, step, solve, encode, decode)


class Progress(NamedTuple):
    """The state of a training after some step.

    Attributes:
        step: Steps done.
        state: The training state. The next step reuses its memory, so don't keep it.
        space: Subspaces in use, or None for an unguided training.
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
        programs: Compiled functions, from ``build`` with the same ``guided``.
        config: Settings of the run.
        data: Training fields and targets.
        scales: What they are normalized by.
        guided: Whether subspaces are solved, again every ``config.resolve_every`` steps.

    Yields:
        The progress, the last time after the last step.

    Example:
        >>> import dataclasses, numpy as np
        >>> x = np.random.default_rng(0).normal(size=(80, 16, 16)).astype(np.float32)
        >>> dataset = Dataset(x, {"mean": x.mean((1, 2))}, np.arange(80))
        >>> config = dataclasses.replace(Config.fast(), steps=3, width=2)
        >>> sizes = Sizes({}, {"mean": 1}, 8)
        >>> programs = build(config, sizes, (16, 16), flow=False, guided=False)
        >>> arrays, scales = on_device(dataset), measure_scales(dataset, sizes)
        >>> [p.step for p in train(programs, config, arrays, scales, guided=False)]
        [3]
    """
    state = programs.init()
    early = round(config.warmup * config.steps)
    # The same samples every time: new ones would turn the subspaces by their noise.
    reference = jax.random.fold_in(jax.random.key(config.seed), 1)
    space: Space | None = None
    W: Mapping[str, jax.Array] = {}
    A: Mapping[str, jax.Array] = {}
    W_prev: Mapping[str, jax.Array] = {}
    for i in range(config.steps):
        if guided and i % (config.resolve_early if i < early else config.resolve_every) == 0:
            space = programs.solve(state.params, data, scales, reference)
            W_prev = W if W else space.W
            W, A = space.W, space.A
        state, terms = programs.step(state, data, scales, W, A, W_prev)
        # Reading the terms waits for the device, so not at every step.
        if (i + 1) % 5 == 0 or i + 1 == config.steps:
            values = {q: float(v) for q, v in jax.device_get(terms).items()}
            yield Progress(i + 1, state, space, {q: values[q] for q in TERMS if q in values})


def row_numbers(count: int, most: int) -> np.ndarray:
    """Evenly spaced rows, at most ``most`` of ``count``."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)

"""Samples on the device: drawn, normalized, and taken a few at a time."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax.demo import symmetry
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import Dataset, Sizes, pooled

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
    # All in one call and in one row: each use of a key is a program of its own, and one
    # of several axes takes seconds to compile.
    bits = jax.random.bits(key, (size * 6,)).reshape(size, 6)
    rows = (bits[:, 0] % jnp.uint32(fields.shape[0])).astype(jnp.int32)
    picked = {q: y[rows] for q, y in targets.items()}
    if not flow:
        return fields[rows], picked
    moved = symmetry.transform(picked, bits[:, 1:])
    return moved["vorticity"], moved


def reference_samples(data: Arrays, config: Config, *, flow: bool) -> Arrays:
    """Picks the training samples that probes are fitted on.

    Args:
        data: Training fields and targets.
        config: How many, and the seed.
        flow: Whether the symmetries of a flow hold; the samples are then transformed,
            as in training.

    Returns:
        Their fields and targets.

    Example:
        >>> import jax.numpy as jnp
        >>> data = jnp.ones((5, 16, 16)), {"mean": jnp.ones(5)}
        >>> reference_samples(data, Config.fast(), flow=False)[0].shape
        (5, 16, 16)
    """
    if flow:
        key = jax.random.fold_in(jax.random.key(config.seed), 1)
        return draw(data, key, size=config.reference_size, flow=True)
    count = data[0].shape[0]
    rows = jnp.asarray(np.linspace(0, count - 1, min(count, config.reference_size)).astype(int))
    return data[0][rows], {q: y[rows] for q, y in data[1].items()}


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

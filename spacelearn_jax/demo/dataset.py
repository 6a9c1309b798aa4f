"""Fields with the quantities to be read from them, split and scaled."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from spacelearn_jax import data, optim, solve_dims
from spacelearn_jax.demo.cache import cached_fields
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.fields import Simulation
from spacelearn_jax.demo.quantities import flow_quantities

SIZING_SAMPLES = 1024
"""Samples that subspaces and bins are sized from."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Fields and what is to be read from them.

    Args:
        fields: What the network sees (M, H, W), float32.
        targets: ``{quantity: (M,), (M, p) or (M, H', W')}``, float32. The last kind is
            pooled.
        groups: Group of every sample (M,), int. A group is trained on or held out as a
            whole.
        flow: Whether the fields are vorticity in a periodic square box and also among
            the targets, so that they may be shifted, mirrored and rotated.

    Example:
        >>> import numpy as np
        >>> x = np.zeros((6, 16, 16), np.float32)
        >>> Dataset(x, {"mean": x.mean((1, 2))}, np.arange(6)).grid
        (16, 16)
    """

    fields: np.ndarray
    targets: dict[str, np.ndarray]
    groups: np.ndarray
    flow: bool = False

    @property
    def grid(self) -> tuple[int, int]:
        """H and W of the fields."""
        return self.fields.shape[1], self.fields.shape[2]

    def take(self, rows: np.ndarray) -> "Dataset":
        """Picks samples."""
        targets = {q: y[rows] for q, y in self.targets.items()}
        return Dataset(self.fields[rows], targets, self.groups[rows], self.flow)


class Sizes(NamedTuple):
    """What ``solve_dims`` and ``minimal_latent_dim`` make of a data set.

    Attributes:
        bins: ``{quantity: n}``, for the quantities that are fields.
        k: ``{quantity: dimensions of its subspace}``.
        latent_dim: Latent dimensions D.
    """

    bins: dict[str, int]
    k: dict[str, int]
    latent_dim: int


def simulated(
    simulation: Simulation,
    *,
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Dataset:
    """Simulates a flow, or reads it from the cache, and derives its quantities.

    Args:
        simulation: What to simulate.
        folder: Cache folder, the user's by default.
        on_progress: Called with the initial conditions done and their total.
        on_note: Called with a sentence when the cache can't be used.

    Returns:
        Snapshots of vorticity, with energy, pressure, strain and vorticity as targets.

    Raises:
        ImportError: If the extra ``demo`` is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> small = Simulation(conditions=2, points=16, snapshots=(1, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dataset = simulated(small, folder=Path(folder))
        >>> sorted(dataset.targets), dataset.groups.tolist()
        (['energy', 'pressure', 'strain', 'vorticity'], [0, 0, 1, 1])
    """
    runs = cached_fields(simulation, folder=folder, on_progress=on_progress, on_note=on_note)
    fields = runs.reshape(-1, *runs.shape[2:])
    targets = jax.device_get(jax.jit(flow_quantities)(fields))
    groups = np.repeat(np.arange(len(runs)), runs.shape[1])
    return Dataset(fields, dict(targets), groups, flow=True)


def split(dataset: Dataset, held_out: float, seed: int) -> tuple[Dataset, Dataset]:
    """Splits a data set by group, so that no group is on both sides.

    Args:
        dataset: The samples.
        held_out: Fraction of the groups to hold out; at least one, and not all.
        seed: Seed of the choice.

    Returns:
        Training and held-out samples.

    Example:
        >>> import numpy as np
        >>> x = np.zeros((8, 16, 16), np.float32)
        >>> groups = np.arange(8) // 2
        >>> train, test = split(Dataset(x, {"m": x.mean((1, 2))}, groups), 0.25, seed=0)
        >>> len(train.fields), len(test.fields), set(train.groups) & set(test.groups)
        (6, 2, set())
    """
    names = np.unique(dataset.groups)
    count = min(max(1, round(held_out * len(names))), len(names) - 1)
    chosen = np.random.default_rng(seed).permutation(names)[:count]
    test = np.isin(dataset.groups, chosen)
    return dataset.take(np.flatnonzero(~test)), dataset.take(np.flatnonzero(test))


def varies(samples: np.ndarray) -> bool:
    """Tells whether any entry of samples (N, ...) differs between two of them."""
    return bool(np.any(samples != samples[:1]))


def require_variation(part: Dataset, which: str) -> None:
    """Refuses samples that all have the same fields, or the same value of a target.

    Args:
        part: Training or held-out samples.
        which: What the message calls them.

    Raises:
        ValueError: If they do; the message names what doesn't vary.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(6, 16, 16))
        >>> require_variation(Dataset(x, {"one": np.ones(6)}, np.arange(6)), "training")
        ... # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the target 'one' is the same in all 6 training samples. ...
    """
    named = {f"the target {q!r}": y for q, y in part.targets.items()}
    for name, samples in {"the field": part.fields, **named}.items():
        if not varies(samples):
            message = (
                f"{name} is the same in all {len(samples)} {which} samples. Leave it out, group "
                "the samples otherwise, or pass another seed."
            )
            raise ValueError(message)


def pooled(targets: Mapping[str, jax.Array], bins: Mapping[str, int]) -> dict[str, jax.Array]:
    """Pools the targets that are fields; the others stay as they are.

    Args:
        targets: ``{quantity: (B, ...)}``.
        bins: ``{quantity: n}`` for the fields.

    Returns:
        ``{quantity: (B, n, n)}`` for fields.

    Example:
        >>> import jax.numpy as jnp
        >>> pooled({"p": jnp.ones((3, 32, 32))}, {"p": 4})["p"].shape
        (3, 4, 4)
    """
    return {q: data.pool(y[:, None], bins[q])[:, 0] if q in bins else y for q, y in targets.items()}


def size(dataset: Dataset, config: Config) -> Sizes:
    """Chooses bins, subspace dimensions and the latent dimension.

    Args:
        dataset: Training samples; evenly spaced ones are looked at if they are many.
        config: Thresholds, the most bins and the free fraction.

    Returns:
        The sizes. The latent dimension is a multiple of 8.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(40, 16, 16)).astype(np.float32)
        >>> size(Dataset(x, {"mean": x.mean((1, 2))}, np.arange(40)), Config()).k
        {'mean': 1}
    """
    count = len(dataset.fields)
    rows = np.linspace(0, count - 1, min(count, SIZING_SAMPLES)).astype(int)
    targets = dataset.take(rows).targets
    fields = {q: y[:, None] for q, y in targets.items() if y.ndim == 3}
    others = {q: y for q, y in targets.items() if y.ndim < 3}
    bins: dict[str, int] = {}
    k: dict[str, int] = {}
    if fields:
        dims = solve_dims(
            fields, config.max_bins, config.bin_threshold, config.k_threshold, k_per_quantity=True
        )
        bins = {q: int(n) for q, (n, _) in dims.items()}
        k = {q: int(k_q) for q, (_, k_q) in dims.items()}
    if others:
        counts = optim.k_per_q(others, config.k_threshold, per_quantity=True)
        assert isinstance(counts, dict)  # as per_quantity asks
        k |= {q: int(k_q) for q, k_q in counts.items()}
    k = {q: int(k[q]) for q in sorted(k)}
    latent_dim = optim.minimal_latent_dim(k, free_frac=config.free_fraction, num_heads=8)
    return Sizes(bins, k, latent_dim)

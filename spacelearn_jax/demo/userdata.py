"""A user's own fields and quantities, from an ``.npz`` file."""

import os
from pathlib import Path

import numpy as np

from spacelearn_jax._files import read_arrays
from spacelearn_jax.demo.dataset import Dataset, varies
from spacelearn_jax.demo.network import COARSE

MIN_SAMPLES = 64
"""Fewest samples that a split, a training and a test make sense with."""
LARGEST = 1e15
"""Largest magnitude whose squares, and sums of many of them, float32 holds."""
RESERVED = ("fields", "group")


def load_data(path: str | os.PathLike[str]) -> Dataset:
    """Reads fields and quantities from an ``.npz`` file.

    The file holds:

    - ``fields``: what the network sees, (N, H, W), or (N, T, H, W) for N runs of T
      snapshots. H and W are multiples of 8, at least 16. Convolutions close the field
      on itself, as is right for a periodic domain.
    - one array a quantity, under its name, with the same leading axes: a scalar a
      sample, a vector (..., p), or a field (..., H', W'), which is pooled.
    - ``group``, optional: a label a sample, (N,) or (N, T). A group is trained on or
      held out as a whole. By default the N runs are the groups.

    Args:
        path: The file. ``np.savez(path, fields=w, energy=e)`` writes one.

    Returns:
        The data set. No symmetry is assumed, so samples are not transformed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it isn't a readable ``.npz`` file, an array is missing, has a wrong
            shape or dtype, isn't finite, is above 1e15 or doesn't vary, or there are fewer
            than 64 samples or 2 groups.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(64, 16, 16))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "mine.npz")
        ...     np.savez(path, fields=x, energy=x**2, mean=x.mean((1, 2)))
        ...     {q: y.shape for q, y in load_data(path).targets.items()}
        {'energy': (64, 16, 16), 'mean': (64,)}
    """
    source = Path(path)
    arrays = _read(source)
    if "fields" not in arrays:
        raise _wrong(source, f"has no array 'fields', only {_listed(arrays)}")
    fields = _numeric(source, "fields", arrays["fields"])
    if fields.ndim not in (3, 4):
        raise _wrong(source, f"'fields' must be (N, H, W) or (N, T, H, W), got {fields.shape}")
    lead, grid = fields.shape[:-2], fields.shape[-2:]
    if any(side < 2 * COARSE or side % COARSE for side in grid):
        raise _wrong(
            source,
            f"'fields' must have sides that are multiples of {COARSE}, at least {2 * COARSE}, "
            f"got {grid[0]} x {grid[1]}; resample or crop them",
        )
    count = int(np.prod(lead))
    if count < MIN_SAMPLES:
        raise _wrong(source, f"'fields' holds {count} samples; at least {MIN_SAMPLES} are needed")
    fields = fields.reshape(count, *grid)
    _require_variation(source, "fields", fields)
    quantities = sorted(set(arrays) - set(RESERVED))
    if not quantities:
        raise _wrong(
            source, "has no quantity beside 'fields'; add one array a quantity, under its name"
        )
    targets = {}
    for q in quantities:
        y = _numeric(source, q, arrays[q])
        if y.shape[: len(lead)] != lead:
            raise _wrong(
                source, f"{q!r} must begin with the axes {lead} of 'fields', got {y.shape}"
            )
        if y.ndim > len(lead) + 2 or 0 in y.shape:
            raise _wrong(
                source, f"{q!r} must be a scalar, a vector or a 2-D field a sample, got {y.shape}"
            )
        targets[q] = y.reshape(count, *y.shape[len(lead) :])
        _require_variation(source, q, targets[q])
    return Dataset(fields, targets, _groups(source, arrays, lead))


def _read(source: Path) -> dict[str, np.ndarray]:
    if not source.is_file():
        message = f"there is no file {source}; --data takes an .npz file as np.savez writes it"
        raise FileNotFoundError(message)
    try:
        return read_arrays(source)
    except ValueError as error:
        raise _wrong(source, f"can't be read as an .npz file of plain arrays ({error})") from error


def _numeric(source: Path, name: str, value: np.ndarray) -> np.ndarray:
    if value.dtype.kind not in "fiub":
        raise _wrong(source, f"{name!r} must hold real numbers, got dtype {value.dtype}")
    with np.errstate(over="ignore"):  # what overflows is counted below
        array = value.astype(np.float32)
    bad = int(np.size(array) - np.isfinite(array).sum())
    if bad:
        raise _wrong(source, f"{name!r} has {bad} values that are not finite in float32")
    largest = float(np.abs(array).max(initial=0))
    if largest > LARGEST:
        raise _wrong(source, f"{name!r} has values up to {largest:.0e}; rescale it to below 1e15")
    return array


def _require_variation(source: Path, name: str, samples: np.ndarray) -> None:
    if not varies(samples):
        raise _wrong(source, f"{name!r} is the same in every sample; there is nothing to learn")


def _groups(source: Path, arrays: dict[str, np.ndarray], lead: tuple[int, ...]) -> np.ndarray:
    if "group" in arrays:
        labels = arrays["group"]
        if labels.shape not in (lead, lead[:1]):
            raise _wrong(source, f"'group' must have shape {lead}, got {labels.shape}")
    else:
        labels = np.arange(lead[0])
    labels = np.broadcast_to(labels.reshape(labels.shape + (1,) * (len(lead) - labels.ndim)), lead)
    groups = np.unique(labels.ravel(), return_inverse=True)[1].reshape(-1)
    if np.max(groups) < 1:
        fix = "at least 2 are needed to hold one out"
        raise _wrong(source, f"holds a single group of samples; {fix}")
    return groups


def _listed(arrays: dict[str, np.ndarray]) -> str:
    return ", ".join(map(repr, sorted(arrays))) or "nothing"


def _wrong(source: Path, what: str) -> ValueError:
    return ValueError(f"{source}: {what}.")

"""How far a stream has been read, on disk."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax import _checks
from spacelearn_jax._files import read_arrays, remove_unfinished, replacing
from spacelearn_jax.moments import Moments
from spacelearn_jax.streams._axes import Axes

FORMAT = "spacelearn-jax stream"
VERSION = 6

#: Rows of latents and targets that are kept to know by what made them.
SAMPLE = 16
#: How much of their spread, and of their size, these may differ by. Another device rounds
#: otherwise: bfloat16 by 2^-9 of the size.
TOLERANCE, ROUNDING = 0.02, 2.0**-8


class State(NamedTuple):
    """What has been summed of a stream, and how far it has been read.

    Attributes:
        m: The sums.
        size: Rows of a piece.
        first: The fingerprint of the first piece.
        made: Latents and targets of its first rows.
        axes: The coordinates that the sums are about.
        position: The batch, and the row in it, with which to go on.
        rows: How many rows there are before that.
    """

    m: Moments
    size: int
    first: int
    made: list[np.ndarray]
    axes: Axes | None = None
    position: tuple[int, int] = (0, 0)
    rows: int = 0


class Saved(NamedTuple):
    """What a checkpoint holds."""

    header: dict[str, Any]
    leaves: list[np.ndarray]
    axes: Axes | None
    made: list[np.ndarray]


def fingerprint(rows: Any) -> int:
    """Returns a number that tells streams apart by their first rows, a pytree of arrays."""
    code = 0
    for x in jax.tree.leaves(rows):
        code = zlib.crc32(np.ascontiguousarray(np.asarray(x)).view(np.uint8).data, code)
    return code


def sample(Z: jax.Array, Y: Mapping[str, jax.Array], rows: int) -> list[np.ndarray]:
    """Returns some rows of latents and targets, to know by what made them."""
    few = min(rows, SAMPLE)
    return [np.asarray(x[:few], np.float32) for x in (Z, *Y.values())]


def save(path: Path, state: State) -> None:
    """Replaces the checkpoint in one go."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "position": state.position,
        "rows": state.rows,
        "size": state.size,
        "first": state.first,
        "shapes": state.m.shapes,
    }
    leaves = jax.device_get(jax.tree.leaves(state.m))
    arrays: dict[str, Any] = {f"leaf.{i}": x for i, x in enumerate(leaves)}
    arrays |= {f"made.{i}": x for i, x in enumerate(state.made)}
    if state.axes is not None:
        V = state.axes.V
        arrays["axes"] = np.zeros(0) if V is None else np.asarray(V)
        arrays["variances"] = np.asarray(state.axes.variances)
    with replacing(path) as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def load(function: str, path: Path) -> Saved | None:
    """Reads a checkpoint, None if there is none yet."""
    remove_unfinished(path)
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise foreign(function, path, f"a file that NumPy can't read ({error})") from error
    try:
        header = json.loads(str(arrays["header"]))
        if header["format"] != FORMAT or not isinstance(header["first"], int):
            raise KeyError(header["format"])
        batch, start = header["position"]
        numbers = (batch, start, header["rows"], header["size"], header["version"])
        kinds = {type(x) for x in numbers}
        if kinds != {int}:
            raise TypeError(kinds)
        if min(batch, start) < 0 or header["size"] < 1 or "shapes" not in header:
            raise ValueError(numbers)
        leaves, made = _numbered(arrays, "leaf."), _numbered(arrays, "made.")
        axes = None
        if "axes" in arrays:
            V = jnp.asarray(arrays["axes"]) if arrays["axes"].size else None
            axes = Axes(V, jnp.asarray(arrays["variances"]))
    except (KeyError, TypeError, ValueError) as error:
        raise foreign(function, path, "a file of another kind") from error
    if header["version"] != VERSION:
        got = f"version {header['version']}, this release reads {VERSION}"
        raise foreign(function, path, got)
    return Saved(header, leaves, axes, made)


def _numbered(arrays: Mapping[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    return [arrays[f"{prefix}{i}"] for i in range(sum(n.startswith(prefix) for n in arrays))]


def resumed(function: str, path: Path, saved: Saved, begun: State) -> State:
    """Returns the saved state, if it is of the stream that has begun like this."""
    leaves, structure = jax.tree.flatten(begun.m)
    kinds = [(x.shape, x.dtype) for x in leaves]
    shapes = json.loads(json.dumps(begun.m.shapes))
    if saved.header["shapes"] != shapes or kinds != [(x.shape, x.dtype) for x in saved.leaves]:
        raise foreign(function, path, "one of other quantities, widths or dtypes")
    if saved.header["first"] != begun.first:
        raise foreign(function, path, "one of a stream that starts with other rows")
    alike = len(begun.made) == len(saved.made) and all(map(_close, saved.made, begun.made))
    if not alike:
        raise foreign(function, path, "one of another encoder, or other quantities")
    batch, start = saved.header["position"]
    return State(
        m=jax.tree.unflatten(structure, [jnp.asarray(x) for x in saved.leaves]),
        size=begun.size,
        first=begun.first,
        # What it began with, or a little would be forgiven at every resumption.
        made=saved.made,
        axes=saved.axes,
        position=(batch, start),
        rows=saved.header["rows"],
    )


def _close(x: np.ndarray, y: np.ndarray) -> bool:
    if x.shape != y.shape:
        return False
    x, y = np.nan_to_num(x).astype(np.float64), np.nan_to_num(y).astype(np.float64)
    spread, size = np.linalg.norm(x - x.mean(axis=0)), np.linalg.norm(x)
    return bool(np.linalg.norm(x - y) <= TOLERANCE * spread + ROUNDING * size)


def check_skipped(function: str, path: Path | None, summed: int, skipped: int) -> None:
    """Requires that as many rows are skipped as had been summed."""
    if skipped != summed:
        got = f"one that has read {summed:,} rows of batches that now have {skipped:,}"
        raise foreign(function, path, got)


def foreign(function: str, path: Path | None, got: str) -> Exception:
    """Builds the error for a file that is of no use."""
    fix = "Delete it to start over, or pass another path."
    expected = "a checkpoint of this stream"
    return _checks.failure(ValueError, function, f"checkpoint {path}", expected, got, fix)

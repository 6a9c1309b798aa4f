"""Batches cut and padded to pieces of one size, so that one program serves them all."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from spacelearn_jax import _checks

#: Most rows and bytes of a piece of NumPy arrays, where nothing else is asked for; so few
#: rows may have more bytes. What a program works on is as large again, and memory of more
#: than 32 MiB comes from the system, page by page, for every piece anew.
MOST_ROWS, FEWEST_ROWS, MOST_BYTES = 8192, 1024, 24 * 2**20


class Piece(NamedTuple):
    """Some rows of a batch: where they start, how many there are, and the padded arrays."""

    batch: int
    start: int
    rows: int
    arrays: Any

    @property
    def mask(self) -> np.ndarray:
        """Marks what is no padding."""
        first = jax.tree.leaves(self.arrays)[0]
        return np.arange(first.shape[0]) < self.rows


def pieces(function: str, batches: Iterable[Any], size: int | None) -> Iterator[Piece]:
    """Yields the pieces of all batches in order, cut only as they are asked for."""
    for index, batch in enumerate(batches):
        B = _rows(function, batch)
        if not B:
            continue
        if size is None:
            on_device = any(isinstance(x, jax.Array) for x in jax.tree.leaves(batch))
            size = B if on_device else _even(B, batch)
        for start in range(0, B, size):
            arrays = _Later(batch, start, size)
            yield Piece(index, start, min(size, B - start), arrays)


class _Later(NamedTuple):
    """Arrays that are not cut yet: pieces that are skipped need not be read."""

    batch: Any
    start: int
    size: int


def cut(piece: Piece) -> Piece:
    """Returns a piece with its arrays read and padded."""
    batch, start, size = piece.arrays

    def padded(x: Any) -> Any:
        if isinstance(x, jax.Array) and x.shape[0] == size:
            return x
        # Always a copy: loaders reuse their buffers while the device still reads.
        whole = np.zeros((size, *x.shape[1:]), x.dtype)
        whole[: piece.rows] = (np.asarray(x) if isinstance(x, jax.Array) else x)[
            start : start + piece.rows
        ]
        if whole.dtype.kind in "iu" and jax.dtypes.canonicalize_dtype(whole.dtype) != whole.dtype:
            # JAX would wrap what doesn't fit 32 bits around; targets become floats anyway.
            return whole.astype(np.float32)
        return whole

    return piece._replace(arrays=jax.tree.map(padded, batch))


def _even(B: int, batch: Any) -> int:
    """Returns the rows of as few pieces of B rows as there may be."""
    row = sum(math.prod(x.shape[1:]) * x.dtype.itemsize for x in jax.tree.leaves(batch))
    most = min(MOST_ROWS, max(FEWEST_ROWS, MOST_BYTES // max(row, 1)))
    return -(-B // -(-B // most))


def _rows(function: str, batch: Any) -> int:
    """Returns the rows that all arrays of a batch share."""
    leaves = jax.tree.leaves(batch)
    rows = None
    for x in leaves:
        if not isinstance(x, np.ndarray | jax.Array):
            _checks.array(function, "batches", x)  # raises, but for what is like an array
        if np.ndim(x) < 1 or (rows is not None and x.shape[0] != rows):
            raise _checks.failure(
                ValueError,
                function,
                "batches",
                f"of arrays of {rows or 'B'} rows, all of one batch",
                f"shape {np.shape(x)}",
                "The first axis counts samples.",
            )
        rows = x.shape[0]
    return rows or 0

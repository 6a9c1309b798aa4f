"""Batches cut and padded to pieces of one size, so that one program serves them all."""

import functools
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
_ALIGNMENT = 64  # bytes


class Piece(NamedTuple):
    """Some rows of a batch: where they start, how many there are, and the padded arrays."""

    batch: int
    start: int
    rows: int
    arrays: Any

    @property
    def position(self) -> tuple[int, int]:
        """The batch, and the row in it, that it starts with."""
        return self.batch, self.start

    @property
    def end(self) -> tuple[int, int]:
        """The batch, and the row in it, that come after it."""
        return self.batch, self.start + self.rows

    @property
    def mask(self) -> np.ndarray:
        """Marks what is no padding."""
        first = jax.tree.leaves(self.arrays)[0]
        return np.arange(first.shape[0]) < self.rows


def pieces(function: str, batches: Iterable[Any], size: int | None, inputs: str) -> Iterator[Piece]:
    """Yields the pieces of all batches in order, cut only as they are asked for.

    Errors call what comes beside targets by the name of ``inputs``.
    """
    for index, batch in enumerate(batches):
        B = _rows(function, batch, inputs)
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


def cut(function: str, piece: Piece) -> Piece:
    """Returns a piece with its arrays read and padded.

    A pair is one of inputs and targets.
    """
    batch, start, size = piece.arrays

    def padded(x: Any, *, target: bool) -> Any:
        if isinstance(x, jax.Array) and x.shape[0] == size:
            return x
        # Always a copy: loaders reuse their buffers while the device still reads.
        whole = _empty((size, *x.shape[1:]), x.dtype.newbyteorder("="))
        whole[: piece.rows] = (np.asarray(x) if isinstance(x, jax.Array) else x)[
            start : start + piece.rows
        ]
        whole[piece.rows :] = 0
        if whole.dtype.kind in "iu" and jax.dtypes.canonicalize_dtype(whole.dtype) != whole.dtype:
            # JAX would wrap what doesn't fit 32 bits around; targets become floats anyway.
            return whole.astype(np.float32) if target else _narrow(function, whole)
        return whole

    of_inputs = functools.partial(padded, target=False)
    if not (isinstance(batch, tuple) and len(batch) == 2 and isinstance(batch[1], dict)):
        return piece._replace(arrays=jax.tree.map(of_inputs, batch))
    inputs, Y = batch
    of_targets = functools.partial(padded, target=True)
    arrays = jax.tree.map(of_inputs, inputs), jax.tree.map(of_targets, Y)
    return piece._replace(arrays=arrays)


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Returns an array where the CPU's arrays may lie: one elsewhere would be copied there."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def _narrow(function: str, x: np.ndarray) -> np.ndarray:
    """Converts integers to 32 bits, which JAX has without x64."""
    dtype = jax.dtypes.canonicalize_dtype(x.dtype)
    limits = np.iinfo(dtype)
    if x.size and (x.min() < limits.min or x.max() > limits.max):
        raise _checks.failure(
            ValueError,
            function,
            "batches",
            f"of integers from {limits.min} to {limits.max}",
            f"{x.min()} to {x.max()}",
            "Number them anew, or enable jax_enable_x64.",
        )
    return x.astype(dtype)


def _even(B: int, batch: Any) -> int:
    """Returns the rows a piece where B rows are split evenly, into as few as limits allow."""
    row = sum(math.prod(x.shape[1:]) * x.dtype.itemsize for x in jax.tree.leaves(batch))
    most = min(MOST_ROWS, max(FEWEST_ROWS, MOST_BYTES // max(row, 1)))
    return -(-B // -(-B // most))


def _rows(function: str, batch: Any, inputs: str) -> int:
    """Returns the rows that all arrays of a batch share."""
    rows = None
    for name, x in _named(batch, inputs):
        if not isinstance(x, jax.Array):
            # None of its rows: to check its dtype must not read a memory-mapped file.
            _checks.array(function, name, x[:0] if isinstance(x, np.ndarray) and x.ndim else x)
        if np.ndim(x) < 1 or (rows is not None and x.shape[0] != rows):
            raise _checks.failure(
                ValueError,
                function,
                name,
                f"of {'B' if rows is None else rows} rows, as all of one batch",
                f"shape {np.shape(x)}",
                "The first axis counts samples.",
            )
        rows = x.shape[0]
    return rows or 0


def _named(batch: Any, inputs: str) -> Iterator[tuple[str, Any]]:
    """Yields the arrays of a batch under the names that users have for them."""
    pair = isinstance(batch, tuple) and len(batch) == 2 and isinstance(batch[1], dict)
    for name, tree in ((inputs, batch[0]), ("Y", batch[1])) if pair else ((inputs, batch),):
        # A list is no array, nor are its numbers.
        found = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda x: isinstance(x, list))
        for path, x in found:
            yield name + jax.tree_util.keystr(path), x

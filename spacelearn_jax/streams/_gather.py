"""The moments of a stream, piece by piece, on from a checkpoint if there is one."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax

from spacelearn_jax import _moments, _numerics
from spacelearn_jax.moments import Moments, _compiled, _given
from spacelearn_jax.streams import _axes, _checkpoint
from spacelearn_jax.streams._checkpoint import State
from spacelearn_jax.streams._pieces import Piece, cut, pieces
from spacelearn_jax.streams._progress import bar
from spacelearn_jax.streams._source import Source

_Batch = tuple[jax.Array, dict[str, jax.Array], _numerics.Where]


def gathered(
    batches: Iterable[Any],
    source: Source,
    check: Callable[[Moments], None],
    *,
    path: Path | None,
    size: int | None,
    every: float,
    show: bool,
    fourth: bool,
) -> Moments | None:
    """Returns the moments of all batches, None without a row.

    Args:
        batches: What there is to read.
        source: Makes latents and targets of it.
        check: Sees the moments empty, when the first batch has told what they are of.
        path: The checkpoint, if one is to be kept.
        size: Rows of a piece, if that is given.
        every: Seconds between checkpoints.
        show: Whether to show progress.
        fourth: Whether moments hold what an estimated shrinkage takes.
    """
    name = source.function
    saved = None if path is None else _checkpoint.load(name, path)
    if saved is not None:
        if size is not None and size != saved.header["size"]:
            raise _checkpoint.foreign(name, path, f"one of batch_size={saved.header['size']}")
        size = saved.header["size"]
    state: State | None = None
    summed = skipped = 0  # rows that a checkpoint has, and that are left out for it
    end = (0, 0)
    last_save = time.monotonic()
    with bar(batches, show=show) as tell:
        inputs = "Z" if source.encode is None else "inputs"
        for piece in pieces(name, source.checked(batches), size, inputs):
            here, end = piece.position, piece.end
            if state is not None and here < state.position:
                skipped += piece.rows
                continue
            piece = cut(name, piece)
            batch = _on_device(source, piece)
            if state is None:
                state = _begun(name, piece, batch, fourth=fourth, known=path is not None)
                check(state.m)
                if saved is None and path is not None:
                    # Here, and not after hours, shows a path that can't be written.
                    _checkpoint.save(path, state)
                elif saved is not None and path is not None:
                    state = _checkpoint.resumed(name, path, saved, state)
                    summed = state.rows
                    if here < state.position:
                        skipped += piece.rows
                        continue
            _checkpoint.check_skipped(name, path, summed, skipped)
            before, state = state.m, _added(name, state, piece, batch)
            tell(piece.batch, piece.rows)
            # One piece is worked on and one is prepared: more would pile up in memory.
            jax.block_until_ready(before.sums.n)
            if path is not None and time.monotonic() - last_save >= every:
                _checkpoint.save(path, state)
                last_save = time.monotonic()
    if state is None:
        return None
    if end < state.position:
        got = f"one that has read more, {state.position[0] + 1} batches"
        raise _checkpoint.foreign(name, path, got)
    _checkpoint.check_skipped(name, path, summed, skipped)
    if path is not None and state.rows > summed:
        _checkpoint.save(path, state)
    return Moments(_axes.own_coordinates(state.m.sums, state.axes), state.m.shapes)


def _on_device(source: Source, piece: Piece) -> _Batch:
    """Returns latents, targets and the mask of padding of a piece."""
    Z, Y = source.batch(jax.device_put(piece.arrays))
    z, y, mask, _ = _given.batch(source.function, Z, Y, jax.device_put(piece.mask), None, None)
    return z, y, mask


def _begun(name: str, piece: Piece, batch: _Batch, *, fourth: bool, known: bool) -> State:
    """Returns the state before the first piece; ``known``, with what identifies a checkpoint."""
    z, y, _ = batch
    m = _zero(name, z, y, fourth=fourth)
    if not known:
        return State(m, z.shape[0], first=0, made=[])
    # Of what is read: an encoder may round otherwise on another device.
    read = jax.tree.map(lambda x: x[: piece.rows], jax.device_get(piece.arrays))
    first, made = _checkpoint.fingerprint(read), _checkpoint.sample(z, y, piece.rows)
    return State(m, z.shape[0], first, made)


def _zero(name: str, Z: jax.Array, Y: Mapping[str, jax.Array], *, fourth: bool) -> Moments:
    dtype = _numerics.compute_dtype(Z, *Y.values())
    shapes, widths = _given.sizes(name, {q: y.shape[1:] for q, y in Y.items()})
    sums = _moments.zeros(Z.shape[1], widths, dtype, targets=True, fourth=fourth, missing=False)
    return Moments(sums, shapes)


def _added(name: str, state: State, piece: Piece, batch: _Batch) -> State:
    """Adds a piece to the sums, and looks at their axes where that is due."""
    (z, y, mask), m, axes = batch, state.m, state.axes
    _given.require_fitting(name, m.sums, m.shapes, z, y, mask)
    if axes is None:
        sums = _compiled.update(m.sums, z, y, mask, None, None, axis_name=None)
    else:
        in_parts = _axes.on_one_device(z, y)
        sums = _axes.update(m.sums, axes, z, y, mask, in_parts=in_parts)
    rows = state.rows + piece.rows
    if sums.low is not None and _axes.due(state.rows, rows, z.shape[1]):
        sums, axes = _axes.looked_at(sums, axes)
    return state._replace(m=Moments(sums, m.shapes), axes=axes, position=piece.end, rows=rows)

"""Alignment: can each quantity be decoded from its own subspace?"""

import functools
from collections.abc import Hashable, Mapping
from typing import Literal, overload

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.loss import _batch
from spacelearn_jax.loss._reduce import check_reduction, check_weights, reduce


def alignment_by_quantity(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    A: Mapping[str, jax.Array],
    Y: Mapping[str, jax.Array],
    where: _numerics.Where,
    coordinates: _batch.Coordinates,
    *,
    axis_name: Hashable | None,
) -> dict[str, jax.Array]:
    """Computes the loss of every quantity from checked arguments."""
    if not W:
        return {}
    dtype = _numerics.compute_dtype(Z, *W.values(), *A.values(), *Y.values())
    losses = {}
    for q, S_q in _batch.Layout.of(W).split(coordinates(dtype)).items():
        rows = _numerics.rows_of(where, q)
        if isinstance(where, dict):
            S_q = _numerics.center(S_q, rows, axis_name)
        losses[q] = _mean_squared_error(S_q, A[q], Y[q], rows, axis_name=axis_name)
    return losses


@functools.partial(jax.jit, static_argnames="axis_name")
def _mean_squared_error(
    S: jax.Array,
    A: jax.Array,
    Y: jax.Array,
    rows: jax.Array | None,
    *,
    axis_name: Hashable | None,
) -> jax.Array:
    # Jitted by itself, it is traced and differentiated once for all quantities of a shape.
    n = _numerics.count(S, rows, axis_name, S.dtype)
    yc = _numerics.center(_numerics.flatten(Y, S.dtype), rows, axis_name)
    error = _numerics.total(jnp.sum(jnp.square(S @ A.astype(S.dtype) - yc)), axis_name)
    return error / (n * yc.shape[1])


@compiled(static=("reduction", "axis_name"))
def _alignment(
    Z: jax.Array,
    W: dict[str, jax.Array],
    A: dict[str, jax.Array],
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    weights: dict[str, jax.Array],
    *,
    reduction: str,
    axis_name: Hashable | None,
) -> jax.Array | dict[str, jax.Array]:
    S = _batch.coordinates(Z, W, _numerics.any_rows(where), axis_name)
    losses = alignment_by_quantity(Z, W, A, Y, where, S, axis_name=axis_name)
    reduced = reduce(losses, weights, reduction, _numerics.compute_dtype(Z))
    return _numerics.replicated(reduced, axis_name)


@overload
def alignment_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    reduction: Literal["mean", "sum"] = ...,
) -> jax.Array: ...


@overload
def alignment_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    reduction: Literal["none"],
) -> dict[str, jax.Array]: ...


def alignment_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    weights: Mapping[str, ArrayLike] | None = None,
    reduction: str = "mean",
) -> jax.Array | dict[str, jax.Array]:
    """Mean squared error of every quantity decoded from its own subspace.

    ``mean_q mean((Zc W_q^T A_q - (Y_q - mean))^2)`` with Zc = Z - mean, the inner mean
    over all B * p_q entries. Squared errors in different units are averaged as they are:
    scale targets to comparable variance first. Each device's loss and gradient are those of
    the whole batch under ``axis_name``; see ``combined_loss``.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows; ``{}`` gives 0.
        A: Decoders ``{q: (k_q, p_q)}``; (k_q,) for a target of shape (B,).
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p. Names that ``W``
            lacks are ignored, here and in ``A``.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is decoded on the rows that have it.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        weights: Scalars by quantity that multiply it in the reduction; 1 by default.
        reduction: ``"mean"`` over quantities, ``"sum"``, or ``"none"``.

    Returns:
        The loss, a scalar >= 0 in squared target units; ``{q: loss}`` without reduction.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit or a decoder or target is missing.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[0.0, 1.0], [2.0, 1.0]])
        >>> W, A = {"x": jnp.array([[1.0, 0.0]])}, {"x": jnp.array([[3.0]])}
        >>> print(alignment_loss(Z, W, A, {"x": 2.0 * Z[:, :1]}))
        1.0
    """
    function = "alignment_loss"
    z, w, mask = _batch.check_latents_and_bases(
        function, Z, W, where, axis_name, min_rows=1, may_be_empty=True
    )
    y = _checks.targets(function, Y, B=z.shape[0], names=w)
    a = _checks.decoders(function, A, w, y)
    check_reduction(function, reduction, weights)
    by_name = check_weights(function, weights, w, "the quantities of W")
    return _alignment(z, w, a, y, mask, by_name, reduction=reduction, axis_name=axis_name)

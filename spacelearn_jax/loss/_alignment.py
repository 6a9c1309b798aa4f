"""Alignment: can each quantity be decoded from its own subspace?"""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.loss import _batch


def alignment(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    A: Mapping[str, jax.Array],
    Y: Mapping[str, jax.Array],
    where: jax.Array | None,
    *,
    axis_name: Hashable | None,
) -> jax.Array:
    """Computes the loss from checked arguments."""
    float_targets = [y for y in Y.values() if jnp.issubdtype(y.dtype, jnp.floating)]
    dtype = _numerics.compute_dtype(Z, *W.values(), *A.values(), *float_targets)
    if not W:
        return jnp.zeros((), dtype)
    n = _numerics.count(Z, where, axis_name, dtype)
    S = _batch.project(Z, _batch.stack(W, dtype), where, axis_name)
    loss = jnp.zeros((), dtype)
    for q, S_q in _batch.Layout.of(W).split(S).items():
        yc = _numerics.center(_numerics.flatten(Y[q], dtype), where, axis_name)
        error = jnp.sum(jnp.square(S_q @ A[q].astype(dtype) - yc))
        loss += _numerics.total(error, axis_name) / (n * yc.shape[1])
    return _numerics.replicated(loss / len(W), axis_name)


_alignment = compiled(static=("axis_name",))(alignment)


def alignment_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | None = None,
    axis_name: Hashable | None = None,
) -> jax.Array:
    """Mean squared error of every quantity decoded from its own subspace.

    ``mean_q mean((Zc W_q^T A_q - (Y_q - mean))^2)`` with Zc = Z - mean, the inner mean
    over all B * p_q entries. Quantities weigh the same whatever their units: scale
    targets to comparable variance first. Each device's loss and gradient are those of
    the whole batch under ``axis_name``; see ``combined_loss``.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows; ``{}`` gives 0.
        A: Decoders ``{q: (k_q, p_q)}``; (k_q,) for a target of shape (B,).
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p. Names that ``W``
            lacks are ignored, here and in ``A``.
        where: Valid rows (B,) bool; the others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.

    Returns:
        The loss, a scalar >= 0 in squared target units.

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
    z, w, mask = _batch.check_latents_and_bases(
        "alignment_loss", Z, W, where, axis_name, min_rows=1, may_be_empty=True
    )
    y = _checks.targets("alignment_loss", Y, B=z.shape[0], names=w)
    a = _checks.decoders("alignment_loss", A, w, y)
    return _alignment(z, w, a, y, mask, axis_name=axis_name)

"""Stability: how far have the subspaces moved?"""

from collections.abc import Mapping
from typing import Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import checked_once, compiled
from spacelearn_jax.loss import _batch
from spacelearn_jax.loss._reduce import check_reduction, check_weights, reduce

METRICS = ("basis", "projector")


def projector_distance(W: jax.Array, W_prev: jax.Array) -> jax.Array:
    """Returns ``0.5 * ||W^T W - W_prev^T W_prev||_F^2`` from small matrices alone.

    The obvious ``k - ||W W_prev^T||^2`` cancels: in float32 it can't see a rotation
    below 0.02 degrees, and it holds for orthonormal rows only. Write G = W W^T = I + a,
    G' = W' W'^T = I + b, C = W W'^T and the residuals E = W - C W', E' = W' - C^T W.
    From ||E||^2 = tr G - ||C||^2 + tr(C b C^T), and the same for E',

        0.5 ||P - P'||^2 = 0.5 (||E||^2 + ||E'||^2 + ||a||^2 + ||b||^2)
                           + 0.5 tr((I - C C^T) a) + 0.5 tr((I - C^T C) b)

    for any W and W', so that its derivative is the right one as well, and every term is
    small where the subspaces are close. What is no more than the rounding of k^2 products, of
    one subspace in two bases, is 0.
    """
    C = _numerics.matmul(W, W_prev.T)
    total = jnp.zeros((), W.dtype)
    for X, X_other, overlap in ((W, W_prev, C), (W_prev, W, C.T)):
        eye = jnp.eye(X.shape[0], dtype=X.dtype)
        excess = _numerics.matmul(X, X.T) - eye
        rest = X - _numerics.matmul(overlap, X_other)
        total += jnp.sum(jnp.square(rest)) + jnp.sum(jnp.square(excess))
        total += jnp.sum((eye - _numerics.matmul(overlap, overlap.T)) * excess)
    rounding = (W.shape[0] * jnp.finfo(W.dtype).eps) ** 2
    return jnp.where(total / 2 <= rounding, 0, total / 2)


def stability_by_quantity(
    W: Mapping[str, jax.Array], W_prev: Mapping[str, jax.Array], *, metric: str
) -> dict[str, jax.Array]:
    """Computes the loss of every quantity from checked arguments."""
    dtype = _numerics.compute_dtype(*W.values(), *W_prev.values())
    if not W or not W_prev:
        return {q: jnp.zeros((), dtype) for q in W}
    if metric == "projector":
        return {
            q: projector_distance(w.astype(dtype), W_prev[q].astype(dtype)) for q, w in W.items()
        }
    # All rows at once: three programs in place of three for each quantity.
    old = {q: W_prev[q] for q in W}
    by_row = jnp.sum(jnp.square(_batch.stack(W, dtype) - _batch.stack(old, dtype)), axis=1)
    quantity = np.repeat(np.arange(len(W)), _batch.Layout.of(W).sizes)
    member = quantity[:, None] == np.arange(len(W))
    sums = jnp.sum(jnp.where(member, by_row[:, None], 0), axis=0)
    return dict(zip(W, sums, strict=True))


@compiled(static=("metric", "reduction"))
def _stability(
    W: dict[str, jax.Array],
    W_prev: dict[str, jax.Array],
    weights: dict[str, jax.Array],
    *,
    metric: str,
    reduction: str,
) -> jax.Array | dict[str, jax.Array]:
    losses = stability_by_quantity(W, W_prev, metric=metric)
    return reduce(losses, weights, reduction, _numerics.compute_dtype(*W.values()))


def check_previous(
    function: str, W: Mapping[str, jax.Array], W_prev: object, metric: str
) -> dict[str, jax.Array]:
    """Checks earlier bases against the present ones; ``None`` is none of them."""
    _checks.choice(function, "metric", metric, METRICS)
    if W_prev is None:
        return {}
    D = next(iter(W.values())).shape[1]
    prev = _checks.bases(function, "W_prev", W_prev, D=D, names=W)
    for q, old in prev.items() if metric == "basis" else ():
        if old.shape != W[q].shape:
            raise _checks.failure(
                ValueError,
                function,
                _checks.entry("W_prev", q),
                f"of shape {W[q].shape} like {_checks.entry('W', q)}",
                f"shape {old.shape}",
                "Keep k fixed, or compare subspaces of different size with metric='projector'.",
            )
    return prev


@overload
def stability_loss(
    W: Mapping[str, ArrayLike],
    W_prev: Mapping[str, ArrayLike] | None,
    *,
    metric: str = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    reduction: Literal["mean", "sum"] = ...,
) -> jax.Array: ...


@overload
def stability_loss(
    W: Mapping[str, ArrayLike],
    W_prev: Mapping[str, ArrayLike] | None,
    *,
    metric: str = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    reduction: Literal["none"],
) -> dict[str, jax.Array]: ...


@checked_once(static=("metric", "reduction"))
def stability_loss(
    W: Mapping[str, ArrayLike],
    W_prev: Mapping[str, ArrayLike] | None,
    *,
    metric: str = "basis",
    weights: Mapping[str, ArrayLike] | None = None,
    reduction: str = "mean",
) -> jax.Array | dict[str, jax.Array]:
    """Mean squared change of the subspaces since an earlier solve.

    ``"basis"`` is the original's ``mean_q ||W_q - W_prev_q||_F^2``, which also reads the
    flip of a sign or a rotation within the subspace as a change. ``"projector"`` is
    ``mean_q 0.5 * ||P_q - P_prev_q||_F^2`` with P = W^T W, the sum of the squared sines
    of the principal angles, and half of what k differs by: it sees the subspace alone.

    Bases that were solved are constants, so that this has a gradient only where ``W``
    itself is trained.

    Args:
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
        W_prev: Earlier bases ``{q: (k_q, D)}``, or ``None`` for a loss of 0. Names that
            ``W`` lacks are ignored.
        metric: ``"basis"`` or ``"projector"``.
        weights: Scalars by quantity that multiply it in the reduction; 1 by default.
        reduction: ``"mean"`` over quantities, ``"sum"``, or ``"none"``.

    Returns:
        The loss, a dimensionless scalar >= 0; ``{q: loss}`` without reduction.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, a name is missing, ``W`` is empty or the metric
            doesn't exist.

    Example:
        >>> import jax.numpy as jnp
        >>> W = {"x": jnp.array([[1.0, 0.0]])}
        >>> flipped = {"x": jnp.array([[-1.0, 0.0]])}
        >>> print(stability_loss(W, flipped))
        4.0
        >>> print(stability_loss(W, flipped, metric="projector"))
        0.0
    """
    function = "stability_loss"
    w = _checks.bases(function, "W", W)
    prev = check_previous(function, w, W_prev, metric)
    check_reduction(function, reduction, weights)
    by_name = check_weights(function, weights, w, "the quantities of W")
    return _stability(w, prev, by_name, metric=metric, reduction=reduction)

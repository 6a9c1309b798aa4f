"""Disentanglement: are the coordinates in different subspaces uncorrelated?"""

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _cuts, _numerics
from spacelearn_jax._compile import checked_once, compiled
from spacelearn_jax.loss import _batch, _correlation
from spacelearn_jax.loss._reduce import check_reduction, check_weights

_PairNorm = Callable[[np.ndarray, np.ndarray], np.ndarray]
PAIR_NORMS = ("first", "min")
_PAIR_NORMS: dict[str, _PairNorm] = {
    "first": lambda first, _: first,
    "min": np.minimum,
    "product": np.multiply,  # the legacy loss: a mean over the entries of a block
}
# The original's guard; columns without variance are set to zero before it matters.
_EPS = 1e-8
# Deviations that are but rounding, in eps times the length of the coordinates of a basis.
_ROUNDING = 4


def _block_sums(x: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Sums each block of rows of x (K, m), to (Q, m); a NaN stays in its own."""
    if len(set(sizes)) == 1:
        return jnp.sum(x.reshape(len(sizes), sizes[0], -1), axis=1)
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    return jax.ops.segment_sum(x, blocks, len(sizes), indices_are_sorted=True)


def _of_block(x: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Gives every row (K,) what its block has of x (Q,)."""
    if len(set(sizes)) == 1:
        return jnp.broadcast_to(x[:, None], (len(sizes), sizes[0])).ravel()
    return x[np.repeat(np.arange(len(sizes)), sizes)]


def _correlations_by_pair(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: jax.Array | None,
    coordinates: _batch.Coordinates | None,
    pair_norms: _PairNorm,
    axis_name: Hashable | None,
) -> jax.Array:
    """Returns ||S_i^T S_j / B||_F^2 / norm_ij for every i, j (Q, Q), S standardized.

    Everything but the products of coordinates is done on their sums: X^T X has the
    variances on its diagonal.
    """
    dtype = _numerics.compute_dtype(Z, *W.values())
    n = _numerics.count(Z, where, axis_name, dtype)
    if coordinates is None:
        W_all = _batch.stack(W, dtype)
        products, left = _correlation.of_latents(Z.astype(dtype), W_all, where, axis_name)
    else:
        X, left = _correlation.centred_again(coordinates(dtype), where, axis_name)
        products = _correlation.of_coordinates(X)
    products = _numerics.total(products, axis_name)
    squares = jnp.diagonal(products)
    # A column without variance becomes zero, without gradient: std = 0 carries none. After the
    # first centring a constant column holds the rounding error of its mean, after the second
    # the rounding error of that; no column that varies is as small. Where latents don't vary
    # along a direction, their coordinate is what rounding makes of the others', eps |z|. A
    # basis has such directions where k is above the rank of the latents, and then the length of
    # its coordinates is theirs: to measure the latents would be another pass over them.
    eps, sizes = jnp.finfo(dtype).eps, _batch.Layout.of(W).sizes
    length = _of_block(_block_sums(squares[:, None], sizes)[:, 0], sizes)
    rounding = jnp.maximum(n * eps * jnp.square(left), jnp.square(_ROUNDING * eps) * length)
    varies = squares > rounding
    std = _numerics.safe_sqrt(squares / jnp.maximum(n - 1, 1))
    scale = jnp.where(varies, 1 / (std + _EPS), 0)
    C = scale[:, None] * products * scale[None] / n
    norms = pair_norms(*np.meshgrid(sizes, sizes, indexing="ij"))
    sums = _block_sums(_block_sums(jnp.square(C), sizes).T, sizes).T
    return sums / jnp.asarray(norms, dtype)


def reduce_pairs(
    pairs: jax.Array, names: Sequence[str], weights: Mapping[str, jax.Array], reduction: str
) -> jax.Array | dict[tuple[str, str], jax.Array]:
    """Reduces the pairs i < j; a pair weighs the product of its quantities' weights."""
    upper = np.triu_indices(len(names), 1)
    values = pairs[upper]
    if reduction == "none":
        # Without the barrier XLA computes all that leads to them once more for every pair.
        values = lax.optimization_barrier(values)
        parts = _cuts.split(values, [1] * len(values), axis=0)
        pairs_of = itertools.combinations(names, 2)
        return {pair: part[0] for pair, part in zip(pairs_of, parts, strict=True)}
    if weights:
        one = jnp.ones((), pairs.dtype)
        w = jnp.stack([weights.get(name, one).astype(pairs.dtype) for name in names])
        values *= w[upper[0]] * w[upper[1]]
    total = jnp.sum(values)
    return total / max(values.shape[0], 1) if reduction == "mean" else total


def disentanglement(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: jax.Array | None,
    weights: Mapping[str, jax.Array],
    coordinates: _batch.Coordinates | None = None,
    *,
    pair_norm: str,
    axis_name: Hashable | None,
    reduction: str = "mean",
) -> Any:
    """Computes the loss, or the losses of pairs, from checked arguments.

    It takes the coordinates where other losses read them as well.
    """
    if len(W) < 2:
        zero = jnp.zeros((), _numerics.compute_dtype(Z, *W.values()))
        return {} if reduction == "none" else zero
    norms = _PAIR_NORMS[pair_norm]
    pairs = _correlations_by_pair(Z, W, where, coordinates, norms, axis_name)
    return reduce_pairs(pairs, tuple(W), weights, reduction)


@compiled(static=("pair_norm", "reduction", "axis_name"))
def _disentanglement(
    Z: jax.Array,
    W: dict[str, jax.Array],
    where: _numerics.Where,
    weights: dict[str, jax.Array],
    *,
    pair_norm: str,
    reduction: str,
    axis_name: Hashable | None,
) -> Any:
    loss = disentanglement(
        Z,
        W,
        _numerics.any_rows(where),
        weights,
        pair_norm=pair_norm,
        axis_name=axis_name,
        reduction=reduction,
    )
    return _numerics.replicated(loss, axis_name)


@overload
def disentanglement_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    pair_norm: str = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    reduction: Literal["mean", "sum"] = ...,
) -> jax.Array: ...


@overload
def disentanglement_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    pair_norm: str = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    reduction: Literal["none"],
) -> dict[tuple[str, str], jax.Array]: ...


@checked_once(static=("axis_name", "pair_norm", "reduction"))
def disentanglement_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    pair_norm: str = "first",
    weights: Mapping[str, ArrayLike] | None = None,
    reduction: str = "mean",
) -> jax.Array | dict[tuple[str, str], jax.Array]:
    """Mean squared correlation between the coordinates in different subspaces.

    With S = Zc W^T divided by the ddof=1 deviation (plus 1e-8, as in the original),
    ``C_ij = S_i^T S_j / B`` and the loss is ``mean_{i<j} ||C_ij||_F^2 / k_i``, quantities in
    sorted order: 0 where all subspaces are uncorrelated, about 1 for two copies of one with
    uncorrelated coordinates, and up to k where those are correlated. A coordinate without
    variance contributes 0, as does one that is below 4 eps of the length of its subspace's:
    rounding makes it, where latents don't vary along a direction.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows; fewer than two give 0.
        where: Valid rows (B,) bool; the others are left out. With ``{q: (B,)}`` the rows
            that have any quantity count: their latents are all there.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        pair_norm: ``"first"`` divides a pair by k of the quantity that sorts first, as
            the original; ``"min"`` by the smaller k, which doesn't depend on names.
        weights: Scalars by quantity; a pair weighs the product of its two in the
            reduction. 1 by default.
        reduction: ``"mean"`` over pairs, ``"sum"``, or ``"none"``.

    Returns:
        The loss, a dimensionless scalar >= 0; ``{(q_i, q_j): loss}`` without reduction.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2`` or the option is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> W = {"a": jnp.array([[1.0, 0.0]]), "b": jnp.array([[0.0, 1.0]])}
        >>> print(disentanglement_loss(Z, W))
        0.0
    """
    function = "disentanglement_loss"
    z, w, mask = _batch.check_latents_and_bases(
        function, Z, W, where, axis_name, min_rows=2, may_be_empty=True
    )
    _checks.choice(function, "pair_norm", pair_norm, PAIR_NORMS)
    check_reduction(function, reduction, weights)
    return _disentanglement(
        z,
        w,
        mask,
        check_weights(function, weights, w, "the quantities of W"),
        pair_norm=pair_norm,
        reduction=reduction,
        axis_name=axis_name,
    )


@checked_once(static=("axis_name",))
def disentanglement_loss_original(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
) -> jax.Array:
    """The legacy form of ``disentanglement_loss``, kept for comparison with old runs.

    It averages the squared correlations of a pair over its k_i * k_j entries, so a pair
    of large subspaces counts less than the same overlap in small ones.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows; fewer than two give 0.
        where: Valid rows (B,) bool; the others are left out. With ``{q: (B,)}`` the rows
            that have any quantity count.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.

    Returns:
        The loss, a dimensionless scalar >= 0.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit or ``B < 2``.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> W = {"a": jnp.array([[1.0, 0.0]]), "b": jnp.array([[0.0, 1.0]])}
        >>> print(disentanglement_loss_original(Z, W))
        0.0
    """
    z, w, mask = _batch.check_latents_and_bases(
        "disentanglement_loss_original",
        Z,
        W,
        where,
        axis_name,
        min_rows=2,
        may_be_empty=True,
    )
    return _disentanglement(
        z,
        w,
        mask,
        {},
        pair_norm="product",
        reduction="mean",
        axis_name=axis_name,
    )

"""Disentanglement: are the coordinates in different subspaces uncorrelated?"""

import functools
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import checked_once, compiled
from spacelearn_jax.loss import _batch
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


def _pair_sums(C: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Sums the squares in each block of a stacked correlation matrix, (Q, Q).

    A block that is not finite makes its own sum, and its gradient, NaN.
    """
    quantity = np.repeat(np.arange(len(sizes)), sizes)
    member = jnp.asarray(quantity[:, None] == np.arange(len(sizes)), C.dtype)

    def blocks(x: jax.Array) -> jax.Array:
        return _numerics.matmul(_numerics.matmul(member.T, x), member)

    finite = jnp.isfinite(C)
    bad = blocks(jnp.asarray(~finite, C.dtype)) > 0
    return blocks(jnp.square(jnp.where(finite, C, 0))) * jnp.where(bad, jnp.nan, 1)


# Sums over the rows of one device of products of centred coordinates X, (K, K), and of X, (K,).
# The derivative d(X^T X) = T + T^T, T = X^T dX, is written by hand: one product where the
# general rule has two, also in reverse, where X dC + X dC^T becomes X (dC + dC^T). Sums of X
# are what rounding leaves of means, and have none.
_Sums = tuple[jax.Array, jax.Array]


@jax.custom_jvp
def _products(X: jax.Array) -> _Sums:
    return X.T @ X, jnp.sum(X, axis=0)


@_products.defjvp
def _products_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[_Sums, _Sums]:
    (X,), (dX,) = primals, tangents
    T = X.T @ dX
    products, sums = _products(X)
    return (products, sums), (T + T.T, jnp.zeros_like(sums))


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _products_of_latents(
    Z: jax.Array, W_all: jax.Array, where: jax.Array | None, axis_name: Hashable | None
) -> _Sums:
    return _products(_centred_coordinates(Z, W_all, where, axis_name))


def _products_of_latents_jvp(
    axis_name: Hashable | None, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[_Sums, _Sums]:
    # The columns of X sum to zero over all devices, so latents need not be centred:
    # X^T d(Zc W^T) = (X^T dZ) W^T + (X^T Z) dW^T. In reverse that is X ((dC + dC^T) W), which
    # meets the batch in one product, and nothing else.
    Z, W_all, where = primals
    dZ, dW, _ = tangents
    X = _centred_coordinates(Z, W_all, where, axis_name)
    T = jnp.zeros((W_all.shape[0],) * 2, X.dtype)
    if not isinstance(dZ, SymbolicZero):
        T += (X.T @ _numerics.zero_masked(dZ, where)) @ W_all.T
    if not isinstance(dW, SymbolicZero):
        T += (X.T @ _numerics.center(Z, where, axis_name)) @ dW.T
    products, sums = _products(X)
    return (products, sums), (T + T.T, jnp.zeros_like(sums))


_products_of_latents.defjvp(_products_of_latents_jvp, symbolic_zeros=True)


def _centred_coordinates(
    Z: jax.Array, W_all: jax.Array, where: jax.Array | None, axis_name: Hashable | None
) -> jax.Array:
    # Centred twice: what rounding leaves of a mean reads as a correlation where columns are
    # constant but for that, divided by an epsilon.
    X = jnp.matmul(_numerics.center(Z, where, axis_name), W_all.T)
    return _numerics.center(X, where, axis_name)


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
        found = _products_of_latents(Z.astype(dtype), W_all, where, axis_name)
    else:
        found = _products(_numerics.center(coordinates(dtype), where, axis_name))
    products, sums = (_numerics.total(x, axis_name) for x in found)
    squares = jnp.diagonal(products)
    # A column without variance becomes zero, without gradient: std = 0 carries none. Of one
    # that is constant rounding leaves a constant, n x^2 for the sum of squares.
    varies = n * squares > 2 * jnp.square(sums)
    std = _numerics.safe_sqrt(jnp.where(varies, squares, 0) / jnp.maximum(n - 1, 1))
    scale = jnp.where(std == 0, 0, 1 / (std + _EPS))
    C = scale[:, None] * products * scale[None] / n
    sizes = _batch.Layout.of(W).sizes
    norms = pair_norms(*np.meshgrid(sizes, sizes, indexing="ij"))
    return _pair_sums(C, sizes) / jnp.asarray(norms, dtype)


def reduce_pairs(
    pairs: jax.Array, names: Sequence[str], weights: Mapping[str, jax.Array], reduction: str
) -> jax.Array | dict[tuple[str, str], jax.Array]:
    """Reduces the pairs i < j; a pair weighs the product of its quantities' weights."""
    if reduction == "none":
        order = itertools.combinations(enumerate(names), 2)
        return {(first, second): pairs[i, j] for (i, first), (j, second) in order}
    upper = np.triu_indices(len(names), 1)
    values = pairs[upper]
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

    With S = Zc W^T standardized by the ddof=1 deviation, ``C_ij = S_i^T S_j / B`` and the
    loss is ``mean_{i<j} ||C_ij||_F^2 / k_i``, quantities in sorted order: 0 where all
    subspaces are uncorrelated, about 1 for two copies of one. A coordinate without
    variance contributes 0.

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

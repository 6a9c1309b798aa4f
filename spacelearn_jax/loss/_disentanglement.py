"""Disentanglement: are the coordinates in different subspaces uncorrelated?"""

from collections.abc import Callable, Hashable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.loss import _batch

_PairNorm = Callable[[np.ndarray, np.ndarray], np.ndarray]
_PAIR_NORMS: dict[str, _PairNorm] = {"first": lambda first, _: first, "min": np.minimum}
PAIR_NORMS = tuple(_PAIR_NORMS)
# The original's guard; columns without variance are set to zero before it matters.
_EPS = 1e-8


def _pair_sums(C: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Sums the squares in each block of a stacked correlation matrix, (Q, Q)."""
    quantity = np.repeat(np.arange(len(sizes)), sizes)
    member = jnp.asarray(quantity[:, None] == np.arange(len(sizes)), C.dtype)
    rows = jnp.matmul(member.T, jnp.square(C), precision=_numerics.EXACT)
    return jnp.matmul(rows, member, precision=_numerics.EXACT)


def _mean_over_pairs(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: jax.Array | None,
    pair_norms: _PairNorm,
    *,
    axis_name: Hashable | None,
) -> jax.Array:
    """Averages ||S_i^T S_j / B||_F^2 / norm_ij over the pairs i < j, S standardized."""
    dtype = _numerics.compute_dtype(Z, *W.values())
    if len(W) < 2:
        return jnp.zeros((), dtype)
    n = _numerics.count(Z, where, axis_name, dtype)
    S = _batch.project(Z, _batch.stack(W, dtype), where, axis_name)
    # Centred twice, in the legacy form too: a mean that is off by a bit is divided by
    # epsilon where a column is constant, and would read as a correlation of 1e15.
    centred, std = _numerics.column_std(S, n, where, axis_name)
    # A column without variance becomes zero, without gradient: std = 0 carries none.
    std = std[None]
    S = jnp.where(std == 0, 0, centred / (std + _EPS))
    C = _numerics.total(S.T @ S, axis_name) / n

    sizes = _batch.Layout.of(W).sizes
    norms = pair_norms(*np.meshgrid(sizes, sizes, indexing="ij"))
    upper = np.triu(np.ones(norms.shape), 1)
    weights = jnp.asarray(upper / norms / upper.sum(), dtype)
    return _numerics.replicated(jnp.sum(weights * _pair_sums(C, sizes)), axis_name)


def disentanglement(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: jax.Array | None,
    *,
    pair_norm: str,
    axis_name: Hashable | None,
) -> jax.Array:
    """Computes the loss from checked arguments."""
    return _mean_over_pairs(Z, W, where, _PAIR_NORMS[pair_norm], axis_name=axis_name)


def disentanglement_legacy(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: jax.Array | None,
    *,
    axis_name: Hashable | None,
) -> jax.Array:
    """Computes the legacy loss from checked arguments."""
    return _mean_over_pairs(Z, W, where, np.multiply, axis_name=axis_name)


_disentanglement = compiled(static=("pair_norm", "axis_name"))(disentanglement)
_disentanglement_legacy = compiled(static=("axis_name",))(disentanglement_legacy)


def disentanglement_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | None = None,
    axis_name: Hashable | None = None,
    pair_norm: str = "first",
) -> jax.Array:
    """Mean squared correlation between the coordinates in different subspaces.

    With S = Zc W^T standardized by the ddof=1 deviation, ``C_ij = S_i^T S_j / B`` and the
    loss is ``mean_{i<j} ||C_ij||_F^2 / k_i``, quantities in sorted order: 0 where all
    subspaces are uncorrelated, about 1 for two copies of one. A coordinate without
    variance contributes 0.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows; fewer than two give 0.
        where: Valid rows (B,) bool; the others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        pair_norm: ``"first"`` divides a pair by k of the quantity that sorts first, as
            the original; ``"min"`` by the smaller k, which doesn't depend on names.

    Returns:
        The loss, a dimensionless scalar >= 0.

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
    return _disentanglement(z, w, mask, pair_norm=pair_norm, axis_name=axis_name)


def disentanglement_loss_original(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | None = None,
    axis_name: Hashable | None = None,
) -> jax.Array:
    """The legacy form of ``disentanglement_loss``, kept for comparison with old runs.

    It averages the squared correlations of a pair over its k_i * k_j entries, so a pair
    of large subspaces counts less than the same overlap in small ones.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows; fewer than two give 0.
        where: Valid rows (B,) bool; the others are left out.
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
    return _disentanglement_legacy(z, w, mask, axis_name=axis_name)

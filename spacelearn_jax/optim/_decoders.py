"""Least-squares decoders from subspace coordinates to quantities."""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax._subspaces import Centred, centred
from spacelearn_jax.linalg import _factors
from spacelearn_jax.linalg._solvers import Solver, check_solver


def least_squares(
    S: jax.Array, yc: jax.Array, n: jax.Array, *, solver: Solver, axis_name: Hashable | None
) -> jax.Array:
    """Returns the minimum-norm least-squares solution A (k, p) of S A = yc.

    S = Q R first, so that only the small R is decomposed, wherever the rows live.
    """
    Q, R = _factors.tall_r(S, axis_name)
    U, s, Vt = _factors.factors(R, solver)
    rcond = jnp.finfo(s.dtype).eps * jnp.maximum(n, S.shape[1])
    negligible = s <= rcond * s[0]
    inverse = jnp.where(negligible, 0, 1 / jnp.where(negligible, 1, s))
    onto = jnp.matmul(U.T, _numerics.gram(Q, yc, axis_name), precision=_numerics.EXACT)
    return jnp.matmul(Vt.T, inverse[:, None] * onto, precision=_numerics.EXACT)


def decoder(
    w: jax.Array, batch: Centred, *, solver: Solver, axis_name: Hashable | None
) -> jax.Array:
    """Fits the decoder (k, p) of one basis on centred data."""
    S = jnp.matmul(batch.Z, w.T, precision=_numerics.EXACT)
    return least_squares(S, batch.y, batch.n, solver=solver, axis_name=axis_name)


@compiled(static=("solver", "axis_name"))
def _fit_decoders(
    W: dict[str, jax.Array],
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, jax.Array]:
    A = {}
    for q, batch in centred(Z, Y, where, axis_name, *W.values()).items():
        w = jax.lax.stop_gradient(W[q]).astype(batch.Z.dtype)
        a = decoder(w, batch, solver=solver, axis_name=axis_name)
        A[q] = a[:, 0] if Y[q].ndim == 1 else a
    return A


def fit_decoders(
    W: Mapping[str, ArrayLike],
    Z: ArrayLike,
    Y: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> dict[str, jax.Array]:
    """Fits the linear decoder of each quantity from its subspace.

    ``A_q`` is the minimum-norm solution of ``min ||(Z - mean) W_q^T A_q - (Y_q - mean)||_F``;
    singular values below eps * max(B, k) of the largest count as zero. It carries no
    gradient.

    Args:
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
        Z: Latents (B, D).
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p; names that ``W``
            lacks are ignored.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is fitted on the rows that have it.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank`` of rank at
            least k.

    Returns:
        ``{q: A (k_q, p_q)}``; (k_q,) for a target of shape (B,).

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2``, a target is missing, ``W`` is empty or
            an option is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> A = fit_decoders({"x": jnp.array([[1.0, 0.0]])}, Z, {"x": 3.0 * Z[:, 0]})
        >>> print(A["x"].round(4))
        [3.]
    """
    function = "fit_decoders"
    _checks.axis(function, axis_name)
    z = _checks.latents(function, Z, min_rows=2, axis_name=axis_name)
    w = _checks.bases(function, "W", W, D=z.shape[1])
    y = _checks.targets(function, Y, B=z.shape[0], names=w)
    mask = _checks.masks(function, where, z.shape[0], w)
    solver = check_solver(function, solver, needs=max(x.shape[0] for x in w.values()))
    return _fit_decoders(w, z, y, mask, solver=solver, axis_name=axis_name)

"""Subspaces from the singular vectors of the latent/target cross-covariance."""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg import _factors
from spacelearn_jax.linalg._solvers import Solver, check_solver

# Kept from the original, whose directions are this much shorter than 1.
_EPS = 1e-8


def cross_factors(
    Zc: jax.Array,
    yc: jax.Array,
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> _factors.Factors:
    """Factors the cross-covariance Zc^T yc (D, p), up to its scale 1/B."""
    return _factors.factors(_numerics.gram(Zc, yc, axis_name), solver)


def leading_pair(factors: _factors.Factors) -> tuple[jax.Array, jax.Array]:
    """Returns the top singular pair w (D,), v (p,), with a deterministic joint sign."""
    U, _, Vt = factors
    U, Vt = _factors.fix_signs(U[:, :1], Vt[:1])
    w, v = U[:, 0], Vt[0]
    return w / (jnp.linalg.norm(w) + _EPS), v / (jnp.linalg.norm(v) + _EPS)


def leading_basis(factors: _factors.Factors, k: int) -> jax.Array:
    """Returns an orthonormal basis (k, D) of the ``k`` leading left vectors.

    The vectors are orthonormal already; the QR factorization is there for its signs,
    which don't depend on those that the SVD happened to return.
    """
    return jnp.linalg.qr(factors[0][:, :k])[0].T


def detached(
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: jax.Array | None,
    axis_name: Hashable | None,
) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
    """Centres latents and flat targets in their common dtype, without gradient.

    Returns Zc (B, D), {q: yc (B, p)} and the mean latent (D,).
    """
    float_targets = [y for y in Y.values() if jnp.issubdtype(y.dtype, jnp.floating)]
    dtype = _numerics.compute_dtype(Z, *float_targets)
    x, z_mean = _numerics.row_mean(lax.stop_gradient(Z).astype(dtype), where, axis_name)
    Zc = _numerics.keep(x - z_mean[None], where)
    flat = {q: _numerics.flatten(lax.stop_gradient(y), dtype) for q, y in Y.items()}
    return Zc, {q: _numerics.center(y, where, axis_name) for q, y in flat.items()}, z_mean


@compiled(static=("solver", "axis_name"))
def _principal_directions(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: jax.Array | None,
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, tuple[jax.Array, jax.Array]]:
    Zc, Yc, _ = detached(Z, Y, where, axis_name)
    return {
        q: leading_pair(cross_factors(Zc, yc, solver=solver, axis_name=axis_name))
        for q, yc in Yc.items()
    }


@compiled(static=("k", "solver", "axis_name"))
def _subspaces(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: jax.Array | None,
    *,
    k: tuple[int, ...],
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, jax.Array]:
    Zc, Yc, _ = detached(Z, Y, where, axis_name)
    return {
        q: leading_basis(cross_factors(Zc, yc, solver=solver, axis_name=axis_name), k_q)
        for (q, yc), k_q in zip(Yc.items(), k, strict=True)
    }


def check_batch(
    function: str,
    Z: ArrayLike,
    Y: Mapping[str, ArrayLike],
    where: ArrayLike | None,
    axis_name: Hashable | None,
) -> tuple[jax.Array, dict[str, jax.Array], jax.Array | None]:
    """Checks latents, targets and mask of a batch that something is solved from."""
    _checks.axis(function, axis_name)
    z = _checks.latents(function, Z, min_rows=2, axis_name=axis_name)
    y = _checks.targets(function, Y, B=z.shape[0])
    return z, y, _checks.mask(function, where, z.shape[0])


def limits(Z: jax.Array, Y: Mapping[str, jax.Array]) -> dict[str, int]:
    """Returns min(D, p) of every quantity, the most directions there can be."""
    return {q: min(Z.shape[1], _checks.width(y)) for q, y in Y.items()}


def principal_directions(
    Z: ArrayLike,
    Y: Mapping[str, ArrayLike],
    *,
    where: ArrayLike | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Finds the latent and target directions of largest covariance.

    They are the top singular pair of ``(Z - mean)^T (Y_q - mean)``, of unit length (to
    1e-8, as in the original) and with the largest entry of w positive. They carry no
    gradient.

    Args:
        Z: Latents (B, D).
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p.
        where: Valid rows (B,) bool; the others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank``.

    Returns:
        ``{q: (w (D,), v (p_q,))}``.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2``, ``Y`` is empty or an option is
            unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> w, v = principal_directions(Z, {"x": Z[:, 0]})["x"]
        >>> print(w, v)
        [1. 0.] [1.]
    """
    z, y, mask = check_batch("principal_directions", Z, Y, where, axis_name)
    solver = check_solver("principal_directions", solver)
    return _principal_directions(z, y, mask, solver=solver, axis_name=axis_name)


def subspaces(
    Z: ArrayLike,
    Y: Mapping[str, ArrayLike],
    k: int | Mapping[str, int],
    *,
    where: ArrayLike | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> dict[str, jax.Array]:
    """Finds the latent subspace that covaries most with each quantity.

    Its basis is made of the k leading left singular vectors of
    ``(Z - mean)^T (Y_q - mean)``, with the signs that a QR factorization gives them. It
    carries no gradient.

    Args:
        Z: Latents (B, D).
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p.
        k: Dimensions of the subspaces: one for all, capped at min(D, p) of each
            quantity, or ``{q: k_q}``.
        where: Valid rows (B,) bool; the others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank`` of rank at
            least k.

    Returns:
        ``{q: W (k_q, D)}`` with orthonormal rows.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2``, ``Y`` is empty, a ``k`` given by name
            is missing or above min(D, p), or an option is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> print(abs(subspaces(Z, {"x": Z[:, 0]}, 1)["x"]))
        [[1. 0.]]
    """
    z, y, mask = check_batch("subspaces", Z, Y, where, axis_name)
    sizes = _checks.sizes("subspaces", k, limits(z, y))
    solver = check_solver("subspaces", solver, needs=max(sizes))
    return _subspaces(z, y, mask, k=sizes, solver=solver, axis_name=axis_name)

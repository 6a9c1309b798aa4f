"""Everything there is to solve, in one call."""

from collections.abc import Hashable, Mapping

import jax
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _moments, _numerics, _stacks
from spacelearn_jax._compile import compiled
from spacelearn_jax._subspaces import (
    alike,
    centred,
    check_batch,
    check_moments,
    cross_vectors,
    intercept,
    leading_bases,
    leading_pairs,
    limits,
    moment_limits,
    moment_vectors,
)
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim._decoders import decoders, of_scalars
from spacelearn_jax.space import Space


@compiled(static=("k", "solver", "axis_name"))
def _solve_subspaces(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    k: tuple[int, ...],
    solver: Solver,
    axis_name: Hashable | None,
) -> Space:
    batches = centred(Z, Y, where, axis_name)
    dtype = next(iter(batches.values())).Z.dtype
    rows = _numerics.any_rows(where)
    z_mean = _numerics.row_mean(lax.stop_gradient(Z).astype(dtype), rows, axis_name)[1]
    sizes = dict(zip(Y, k, strict=True))
    W: dict[str, jax.Array] = {}
    V: dict[str, jax.Array] = {}
    for names in alike(batches, sizes):
        group, k_q = [batches[q] for q in names], sizes[names[0]]
        vectors = cross_vectors(group, k_q, solver=solver, axis_name=axis_name)
        found = leading_bases(vectors), leading_pairs(vectors)[1]
        for q, (w, v) in _stacks.cut(names, found):
            W[q], V[q] = w, v
    A = decoders(W, batches, solver=solver, axis_name=axis_name)
    y_mean = {q: batch.y_mean for q, batch in batches.items()}
    if isinstance(where, dict):
        for q, batch in batches.items():
            y_mean[q] = intercept(z_mean - batch.z_mean, W[q], A[q], batch.y_mean)
    A = of_scalars(A, [q for q, y in Y.items() if y.ndim == 1])
    return Space(W, A, V, z_mean, y_mean, {q: y.shape[1:] for q, y in Y.items()})


def from_moments(
    m: _moments.Sums,
    k: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    solver: Solver,
    near: Mapping[str, jax.Array] | None,
) -> Space:
    """Solves the subspaces of these moments, with bases nearest to ``near`` if given."""
    z_mean = m.z_mean[""]
    W: dict[str, jax.Array] = {}
    A: dict[str, jax.Array] = {}
    V: dict[str, jax.Array] = {}
    for names, vectors in moment_vectors(m, k, solver):
        w = leading_bases(vectors)
        if near is not None:
            w = _stacks.each(_moments.procrustes, w, _stacks.of([near[q] for q in names]))
        found = w, _moments.decoders(m, names, w), leading_pairs(vectors)[1]
        for q, part in _stacks.cut(names, found):
            W[q], A[q], V[q] = part
    y_mean = dict(m.y_mean)
    if m.missing:
        for q, a in A.items():
            y_mean[q] = intercept(z_mean - m.z_mean[q], W[q], a, m.y_mean[q])
    A = of_scalars(A, [q for q, shape in shapes.items() if not shape])
    return Space(W, A, V, z_mean, y_mean, shapes)


@compiled(static=("k", "shapes", "solver"))
def _solve_moments(
    m: _moments.Sums,
    *,
    k: tuple[int, ...],
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    solver: Solver,
) -> Space:
    sizes = dict(zip(m.Szy, k, strict=True))
    return from_moments(lax.stop_gradient(m), sizes, dict(shapes), solver, None)


def solve_subspaces(
    Z: ArrayLike | Moments,
    Y: Mapping[str, ArrayLike] | None = None,
    *,
    k: int | Mapping[str, int] = 32,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> Space:
    """Solves bases, decoders and target directions of all quantities, and their means.

    It joins ``subspaces``, ``fit_decoders`` and ``principal_directions`` and factors each
    cross-covariance once. Nothing in the result carries a gradient.

    Args:
        Z: Latents (B, D), or the ``Moments`` of latents and targets.
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p. None with moments.
        k: Dimensions of the subspaces: one for all, capped at min(D, p) of each
            quantity, or ``{q: k_q}``, where names that ``Y`` lacks are ignored.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is solved on the rows that have it, and ``y_mean`` is
            what decodes at the mean latent of all of them. Of fewer than two rows bases are
            arbitrary and decoders 0.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, from Gram matrices, corrected and checked, with ``"svd"``
            where those are less accurate; ``"svd"``; ``"eigen"``; or a ``linalg.LowRank``
            of rank at least k.

    Returns:
        The ``Space``: W, A, V, z_mean, y_mean and target shapes.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2``, ``Y`` is empty, a ``k`` given by name
            is missing or above min(D, p), or an option is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> space = solve_subspaces(Z, {"x": 2.0 * Z[:, 0]}, k=1)
        >>> print(space.decode(Z)["x"].round(4))
        [0. 2. 4.]
    """
    function = "solve_subspaces"
    if isinstance(Z, Moments):
        m = check_moments(function, Z, axis_name, Y=Y, where=where)
        sizes = _checks.sizes(function, k, moment_limits(m))
        solver = check_solver(function, solver, needs=max(sizes))
        shapes = tuple(Z.target_shapes.items())
        return _solve_moments(m, k=sizes, shapes=shapes, solver=solver)
    z, y, mask = check_batch(function, Z, Y, where, axis_name)
    sizes = _checks.sizes(function, k, limits(z, y))
    solver = check_solver(function, solver, needs=max(sizes))
    return _solve_subspaces(z, y, mask, k=sizes, solver=solver, axis_name=axis_name)

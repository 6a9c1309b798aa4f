"""Subspaces from the singular vectors of the latent/target cross-covariance."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _moments, _numerics, _stacks
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg import _factors, _lapack, _leading
from spacelearn_jax.linalg._solvers import LowRank, Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.moments._given import one_set, refuse_others, require_rows

# Kept from the original, whose directions are this much shorter than 1.
_EPS = 1e-8


class Centred(NamedTuple):
    """Detached latents and flat targets of one quantity, centred on the rows that have it."""

    Z: jax.Array  # (B, D)
    y: jax.Array  # (B, p)
    z_mean: jax.Array  # (D,)
    y_mean: jax.Array  # (p,)
    n: jax.Array  # (), the number of those rows


def centred(
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: _numerics.Where,
    axis_name: Hashable | None,
    *others: jax.Array,
) -> dict[str, Centred]:
    """Centres every quantity in the dtype common to all arguments."""
    dtype = _numerics.compute_dtype(Z, *Y.values(), *others)
    Z = lax.stop_gradient(Z).astype(dtype)

    def latents(rows: jax.Array | None) -> tuple[jax.Array, jax.Array, jax.Array]:
        x, mean = _numerics.row_mean(Z, rows, axis_name)
        n = _numerics.count(Z, rows, axis_name, dtype)
        # All rows lack what rounding took from the mean. With fewer rows than coordinates that
        # would be a direction of its own, and decoders would be fitted to it.
        Zc = _numerics.center(_numerics.zero_masked(x - mean[None], rows), rows, axis_name)
        return Zc, mean, n

    # Without missing quantities all share one centring.
    shared = None if isinstance(where, dict) else latents(where)
    out = {}
    for q, y in Y.items():
        rows = _numerics.rows_of(where, q)
        Zc, z_mean, n = shared or latents(rows)
        flat = _numerics.flatten(lax.stop_gradient(y), dtype)
        flat, y_mean = _numerics.row_mean(flat, rows, axis_name)
        out[q] = Centred(Zc, _numerics.zero_masked(flat - y_mean[None], rows), z_mean, y_mean, n)
    return out


def alike(batches: Mapping[str, Centred], k: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Groups quantities whose subspaces are solved as one stack."""
    return _stacks.alike({q: (batch.y.shape[1], k[q]) for q, batch in batches.items()})


def cross_vectors(
    batches: Sequence[Centred], k: int, *, solver: Solver, axis_name: Hashable | None
) -> _leading.Vectors:
    """Returns leading singular vectors of cross-covariances Zc^T yc (s, D, p)."""
    if isinstance(solver, LowRank):
        return _stacks.of([_leading.of_cross(b.Z, b.y, k, solver, axis_name) for b in batches])
    C = _stacks.of([_numerics.cross(b.Z, b.y, axis_name) for b in batches])
    return _leading.of_stack(C, k, solver)


@jax.vmap
def leading_pairs(vectors: _leading.Vectors) -> tuple[jax.Array, jax.Array]:
    """Returns top singular pairs w (s, D), v (s, p), with a deterministic joint sign."""
    U, V = vectors
    U, Vt = _factors.fix_signs(U[:, :1], V[:, :1].T)
    w, v = U[:, 0], Vt[0]
    return w / (jnp.linalg.norm(w) + _EPS), v / (jnp.linalg.norm(v) + _EPS)


def leading_bases(vectors: _leading.Vectors) -> jax.Array:
    """Returns orthonormal bases (s, k, D) of left vectors (s, D, k).

    The signs of the QR factorization don't depend on those that vectors happen to have.
    """
    return _stacks.each(lambda U: _lapack.qr(U)[0].T, vectors[0])


def intercept(offset: jax.Array, w: jax.Array, a: jax.Array, y_mean: jax.Array) -> jax.Array:
    """Returns what decodes at ``offset`` from the mean latent that ``y_mean`` belongs to.

    A space has one mean latent; where quantities have rows, and so means, of their own,
    their decoders' intercepts take up the difference.
    """
    S = _numerics.matmul(w, offset)
    return y_mean + _numerics.matmul(S, a)


@compiled(static=("solver", "axis_name"))
def _principal_directions(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, tuple[jax.Array, jax.Array]]:
    batches = centred(Z, Y, where, axis_name)
    out: dict[str, tuple[jax.Array, jax.Array]] = {}
    for names in alike(batches, dict.fromkeys(Y, 1)):
        group = [batches[q] for q in names]
        vectors = cross_vectors(group, 1, solver=solver, axis_name=axis_name)
        out |= _stacks.cut(names, leading_pairs(vectors))
    return out


@compiled(static=("k", "solver", "axis_name"))
def _subspaces(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    k: tuple[int, ...],
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, jax.Array]:
    batches, sizes = centred(Z, Y, where, axis_name), dict(zip(Y, k, strict=True))
    W: dict[str, jax.Array] = {}
    for names in alike(batches, sizes):
        group, k_q = [batches[q] for q in names], sizes[names[0]]
        vectors = cross_vectors(group, k_q, solver=solver, axis_name=axis_name)
        W |= _stacks.cut(names, leading_bases(vectors))
    return W


def moment_vectors(
    m: _moments.Sums, k: Mapping[str, int], solver: Solver
) -> Iterator[tuple[tuple[str, ...], _leading.Vectors]]:
    """Yields names and leading singular vectors of all stacks of cross-covariances."""
    for names in _stacks.alike({q: (C.shape, k[q]) for q, C in m.Szy.items()}):
        C = _stacks.of([m.Szy[q] for q in names])
        yield names, _leading.of_stack(C, k[names[0]], solver)


@compiled(static=("solver",))
def _directions_of(m: _moments.Sums, *, solver: Solver) -> dict[str, tuple[jax.Array, jax.Array]]:
    out: dict[str, tuple[jax.Array, jax.Array]] = {}
    for names, vectors in moment_vectors(m, dict.fromkeys(m.Szy, 1), solver):
        out |= _stacks.cut(names, leading_pairs(vectors))
    return out


@compiled(static=("k", "solver"))
def _subspaces_of(m: _moments.Sums, *, k: tuple[int, ...], solver: Solver) -> dict[str, jax.Array]:
    W: dict[str, jax.Array] = {}
    for names, vectors in moment_vectors(m, dict(zip(m.Szy, k, strict=True)), solver):
        W |= _stacks.cut(names, leading_bases(vectors))
    return W


def check_moments(
    function: str, m: Moments, axis_name: Hashable | None, **others: object
) -> _moments.Sums:
    """Checks moments that come in place of a batch, and that no batch comes as well."""
    refuse_others(function, **others)
    sums = one_set(function, "Z", m.sums, axis_name=axis_name)
    require_rows(function, "Z", sums)
    return sums


def moment_limits(m: _moments.Sums) -> dict[str, int]:
    """Returns min(D, p) of every quantity, the most directions there can be."""
    return {q: min(C.shape) for q, C in m.Szy.items()}


def check_batch(
    function: str,
    Z: ArrayLike,
    Y: Mapping[str, ArrayLike] | None,
    where: ArrayLike | Mapping[str, ArrayLike] | None,
    axis_name: Hashable | None,
) -> tuple[jax.Array, dict[str, jax.Array], _numerics.Where]:
    """Checks latents, targets and mask of a batch that something is solved from."""
    _checks.axis(function, axis_name)
    z = _checks.latents(function, Z, min_rows=2, axis_name=axis_name)
    y = _checks.targets(function, Y, B=z.shape[0])
    return z, y, _checks.masks(function, where, z.shape[0], y)


def limits(Z: jax.Array, Y: Mapping[str, jax.Array]) -> dict[str, int]:
    """Returns min(D, p) of every quantity, the most directions there can be."""
    return {q: min(Z.shape[1], _checks.width(y)) for q, y in Y.items()}


def principal_directions(
    Z: ArrayLike | Moments,
    Y: Mapping[str, ArrayLike] | None = None,
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Finds the latent and target directions of largest covariance.

    They are the top singular pair of ``(Z - mean)^T (Y_q - mean)``, of unit length (to
    1e-8, as in the original) and with the largest entry of w positive. They carry no
    gradient.

    Args:
        Z: Latents (B, D), or the ``Moments`` of latents and targets.
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p. None with moments.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is solved on the rows that have it. Of fewer than two rows
            the result is arbitrary.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, from Gram matrices, corrected and checked, with ``"svd"``
            where those are less accurate; ``"svd"``; ``"eigen"``; or a ``linalg.LowRank``.

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
    function = "principal_directions"
    if isinstance(Z, Moments):
        m = check_moments(function, Z, axis_name, Y=Y, where=where)
        return _directions_of(m, solver=check_solver(function, solver))
    z, y, mask = check_batch(function, Z, Y, where, axis_name)
    solver = check_solver(function, solver)
    return _principal_directions(z, y, mask, solver=solver, axis_name=axis_name)


def subspaces(
    Z: ArrayLike | Moments,
    Y: Mapping[str, ArrayLike] | None = None,
    k: int | Mapping[str, int] | None = None,
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> dict[str, jax.Array]:
    """Finds the latent subspace that covaries most with each quantity.

    Its basis is made of the k leading left singular vectors of
    ``(Z - mean)^T (Y_q - mean)``, with the signs that a QR factorization gives them. It
    carries no gradient.

    Args:
        Z: Latents (B, D), or the ``Moments`` of latents and targets.
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p. None with moments.
        k: Dimensions of the subspaces: one for all, capped at min(D, p) of each
            quantity, or ``{q: k_q}``, where names that ``Y`` lacks are ignored.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is solved on the rows that have it. Of fewer than two rows
            the result is arbitrary.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, from Gram matrices, corrected and checked, with ``"svd"``
            where those are less accurate; ``"svd"``; ``"eigen"``; or a ``linalg.LowRank``
            of rank at least k.

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
    function = "subspaces"
    if isinstance(Z, Moments):
        m = check_moments(function, Z, axis_name, Y=Y, where=where)
        sizes = _checks.sizes(function, k, moment_limits(m))
        solver = check_solver(function, solver, needs=max(sizes))
        return _subspaces_of(m, k=sizes, solver=solver)
    z, y, mask = check_batch(function, Z, Y, where, axis_name)
    sizes = _checks.sizes(function, k, limits(z, y))
    solver = check_solver(function, solver, needs=max(sizes))
    return _subspaces(z, y, mask, k=sizes, solver=solver, axis_name=axis_name)

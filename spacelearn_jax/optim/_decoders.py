"""Least-squares decoders from subspace coordinates to quantities."""

import functools
from collections.abc import Collection, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _moments, _numerics, _stacks
from spacelearn_jax._compile import compiled
from spacelearn_jax._subspaces import Centred, centred, check_moments
from spacelearn_jax.linalg import _factors, _lapack
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.moments._given import refuse_unnamed

# Rounding leaves singular values below eps times the size of the matrix at worst. With the
# number of rows for that, as is usual, directions would be dropped that are far above what it
# leaves: all of them from 8 million float32 rows on, and those of a thousandth from 8,192 on.
_MOST_ROWS = 64


class _Rounding(NamedTuple):
    """What tells how large the singular values are that rounding makes of none."""

    n: jax.Array  # (), the number of rows
    length: jax.Array  # (), the Frobenius norm of the latents


def _rounding_of(batch: Centred, axis_name: Hashable | None) -> _Rounding:
    largest = jnp.max(jnp.abs(batch.Z))
    if axis_name is not None:
        largest = lax.pmax(largest, axis_name)
    scale = _numerics.power_of_two(largest)
    squares = _numerics.total(jnp.sum(jnp.square(batch.Z / scale)), axis_name)
    return _Rounding(batch.n, scale * _numerics.safe_sqrt(squares))


def _pseudo_inverse(
    S: jax.Array, rounding: _Rounding, solver: Solver, axis_name: Hashable | None
) -> jax.Array:
    """Returns X (B, k) such that X^T yc is the minimum-norm least-squares solution of S A = yc.

    S = Q R first, so that only the small R is decomposed, wherever the rows live.
    """
    Q, R = _factors.tsqr(S, axis_name)
    U, s, Vt = _factors.factors(R, solver)
    small = _numerics.matmul(U * _inverse(s, rounding, k=S.shape[1])[None], Vt)
    return _numerics.matmul(Q, small)


def _inverse(s: jax.Array, rounding: _Rounding, *, k: int) -> jax.Array:
    """Returns 1 / s, and 0 of what is but rounding for ``k`` coordinates.

    Their products round by eps times the length of the latents, their factorization by eps
    times their own.
    """
    size = jnp.abs(s)
    most = jnp.maximum(jnp.minimum(rounding.n, _MOST_ROWS), k)
    least = jnp.finfo(s.dtype).eps * jnp.maximum(most * jnp.max(size), rounding.length)
    negligible = size <= least
    return jnp.where(negligible, 0, 1 / jnp.where(negligible, 1, s))


def _of_stack(
    S: jax.Array, rounding: _Rounding, solver: Solver, axis_name: Hashable | None
) -> jax.Array:
    """Returns the X (s, B, k) of coordinates (s, B, k) that round so (s,)."""

    def in_turn(S: jax.Array, rounding: _Rounding) -> jax.Array:
        return _stacks.each(lambda S, r: _pseudo_inverse(S, r, solver, axis_name), S, rounding)

    if solver != "auto":
        return in_turn(S, rounding)
    # CUDA finds eigenvectors of many matrices at once, and no SVD as accurate.
    at_once = functools.partial(_at_once, axis_name=axis_name)
    return lax.platform_dependent(S, rounding, cuda=at_once, default=in_turn)


def _at_once(S: jax.Array, rounding: _Rounding, *, axis_name: Hashable | None) -> jax.Array:
    Q, R = _stacks.each(lambda S: _factors.tsqr(S, axis_name), S)
    return _numerics.matmul(Q, jax.vmap(_by_eigenvectors)(R, rounding))


def _by_eigenvectors(R: jax.Array, rounding: _Rounding) -> jax.Array:
    """Returns the transposed pseudo-inverse (r, k) of R (r, k).

    H = [[0, R^T], [R, 0]] has the singular values of R and their negatives as eigenvalues,
    so that nothing is squared, and H^+ = [[0, R^+], [R^+T, 0]].
    """
    r, k = R.shape
    R = _numerics.infinities_to_nan(R)
    H = jnp.zeros((k + r, k + r), R.dtype).at[k:, :k].set(R).at[:k, k:].set(R.T)
    values, X = _lapack.eigh(H)
    return _numerics.matmul(X[k:] * _inverse(values, rounding, k=k)[None], X[:k].T)


def decoders(
    W: Mapping[str, jax.Array],
    batches: Mapping[str, Centred],
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, jax.Array]:
    """Fits the decoders (k, p) of bases on centred data, those of one k as one stack."""
    A: dict[str, jax.Array] = {}
    for names in _stacks.alike({q: w.shape for q, w in W.items()}):
        S, rounding = _coordinates({q: W[q] for q in names}, batches, axis_name)
        X = _of_stack(S, rounding, solver, axis_name)
        for q, x in _stacks.cut(names, X):
            A[q] = _numerics.gram(x, batches[q].y, axis_name)
    return A


def _coordinates(
    W: Mapping[str, jax.Array], batches: Mapping[str, Centred], axis_name: Hashable | None
) -> tuple[jax.Array, _Rounding]:
    """Returns the coordinates (s, B, k) by bases of one shape, and how they round (s,)."""
    group = [batches[q] for q in W]
    if all(batch.Z is group[0].Z for batch in group):
        S = _numerics.matmul(group[0].Z, jnp.concatenate(list(W.values())).T)
        S = jnp.moveaxis(S.reshape(len(S), len(W), -1), 1, 0)
        alike = _rounding_of(group[0], axis_name)
        return S, jax.tree.map(lambda x: jnp.broadcast_to(x, (len(W),)), alike)
    own = zip(group, W.values(), strict=True)
    S = _stacks.of([_numerics.matmul(b.Z, w.T) for b, w in own])
    return S, _stacks.of([_rounding_of(batch, axis_name) for batch in group])


def of_scalars(A: Mapping[str, jax.Array], scalars: Collection[str]) -> dict[str, jax.Array]:
    """Returns the decoders with those of scalars as (k,) in place of (k, 1)."""
    return {q: a[:, 0] if q in scalars else a for q, a in A.items()}


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
    batches = centred(Z, Y, where, axis_name, *W.values())
    dtype = next(iter(batches.values())).Z.dtype
    W = {q: jax.lax.stop_gradient(w).astype(dtype) for q, w in W.items()}
    A = decoders(W, batches, solver=solver, axis_name=axis_name)
    return of_scalars(A, [q for q, y in Y.items() if y.ndim == 1])


@compiled(static=("scalars", "estimated"))
def _fit_moments(
    W: dict[str, jax.Array],
    m: _moments.Sums,
    ridge: jax.Array | None,
    shrinkage: jax.Array | None,
    *,
    scalars: tuple[str, ...],
    estimated: bool,
) -> dict[str, jax.Array]:
    W, m = jax.lax.stop_gradient((W, m))
    dtype = _numerics.compute_dtype(m.n[""], *W.values())
    W, m, ridge, shrinkage = jax.tree.map(lambda x: x.astype(dtype), (W, m, ridge, shrinkage))
    share = _moments.LEDOIT_WOLF if estimated else shrinkage
    A: dict[str, jax.Array] = {}
    for names in _stacks.alike({q: (w.shape, m.Szy[q].shape) for q, w in W.items()}):
        w = _stacks.of([W[q] for q in names])
        found = _moments.decoders(m, names, w, ridge=ridge, shrinkage=share)
        A |= _stacks.cut(names, found)
    return of_scalars(A, scalars)


@compiled(static=("axis_name",))
def _gathered(
    W: dict[str, jax.Array],
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    axis_name: Hashable | None,
) -> _moments.Sums:
    dtype = _numerics.compute_dtype(Z, *Y.values(), *W.values())
    missing = isinstance(where, dict)
    return _moments.of_batch(
        Z,
        Y,
        where,
        axis_name,
        dtype,
        missing=missing,
        fourth=True,
        compensated=dtype == jnp.float32,
    )


def fit_decoders(
    W: Mapping[str, ArrayLike],
    Z: ArrayLike | Moments,
    Y: Mapping[str, ArrayLike] | None = None,
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
    ridge: float = 0.0,
    shrinkage: float | str | None = None,
) -> dict[str, jax.Array]:
    """Fits the linear decoder of each quantity from its subspace.

    ``A_q`` is the minimum-norm solution of ``min ||(Z - mean) W_q^T A_q - (Y_q - mean)||_F``;
    singular values below eps * max(min(B, 64), k) of the largest, or below eps times the
    Frobenius norm of the latents, count as zero. It carries no gradient.

    Moments, and so all fits with ``ridge`` or ``shrinkage``, hold products: singular
    values below about sqrt(eps * k) of the largest count as zero then, with an eps of
    2^-29 for the pairs that stand for float32. Their error is about what rounding the
    centred rows to float32 makes: some 1e-6 up to condition numbers of 100, 2e-5 at 1000,
    and ten times that where rows are in clusters far apart along a strong direction.

    Args:
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
        Z: Latents (B, D), or the ``Moments`` of latents and targets.
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p; names that ``W``
            lacks are ignored. None with moments.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is fitted on the rows that have it, and 0 where those are
            fewer than two.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank`` of rank at
            least k. Moments and regularized fits have one route, an exact one.
        ridge: Factor of the penalty ``ridge * ||A_q||_F^2`` on the sum of squares.
        shrinkage: Share in [0, 1] by which the latents' covariance is drawn towards the
            multiple of the identity that has its trace, for few samples; or
            ``"ledoit-wolf"``, which estimates it; NaN where fourth powers of the latents
            leave the range of the dtype, in float32 from about 1e9 on and below 1e-9.

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
    penalty = _checks.positive(function, "ridge", ridge, or_zero=True)
    share, estimated = share_of(function, shrinkage)
    if isinstance(Z, Moments):
        m = check_moments(function, Z, axis_name, Y=Y, where=where)
        w = _checks.bases(function, "W", W, D=m.z_mean[""].shape[0])
        _checks.known_names(function, "W", w, m.Szy, "the quantities of the moments")
        check_solver(function, solver, needs=max(x.shape[0] for x in w.values()))
        scalars = tuple(q for q in w if not Z.target_shapes[q])
    else:
        _checks.axis(function, axis_name)
        z = _checks.latents(function, Z, min_rows=2, axis_name=axis_name)
        w = _checks.bases(function, "W", W, D=z.shape[1])
        y = _checks.targets(function, Y, B=z.shape[0], names=w)
        mask = _checks.masks(function, where, z.shape[0], w)
        solver = check_solver(function, solver, needs=max(x.shape[0] for x in w.values()))
        if not penalty and not estimated and share is None:
            return _fit_decoders(w, z, y, mask, solver=solver, axis_name=axis_name)
        refuse_unnamed(function, y, mask)
        m = _gathered(w, z, y, mask, axis_name=axis_name)
        scalars = tuple(q for q in w if y[q].ndim == 1)
    return _fit_moments(
        w,
        m,
        jnp.asarray(penalty, m.n[""].dtype) if penalty else None,
        None if share is None else jnp.asarray(share, m.n[""].dtype),
        scalars=scalars,
        estimated=estimated,
    )


def share_of(function: str, shrinkage: Any) -> tuple[float | None, bool]:
    """Returns the share of shrinkage, or that it is to be estimated."""
    if shrinkage is None:
        return None, False
    if isinstance(shrinkage, str):
        others = " or a number in [0, 1]"
        _checks.choice(function, "shrinkage", shrinkage, (_moments.LEDOIT_WOLF,), others=others)
        return None, True
    return _checks.fraction(function, "shrinkage", shrinkage), False

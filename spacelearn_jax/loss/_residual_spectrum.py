"""Leading singular values of what the subspaces leave of the latents."""

import functools
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _checks, _numerics
from spacelearn_jax.linalg import _factors, _gram, _partial_eigh
from spacelearn_jax.linalg._solvers import LowRank, Solver

# Of R: m leading singular vectors, their images, and a token.
_Vectors = tuple[jax.Array, jax.Array, jax.Array]

# How far rounding may move all values together, in units of eps times their sum.
_ALLOWED = 84.0

# Vectors of values above this many sqrt(eps) s_1 are right to two digits from the Gram matrix.
_APART = 8.0


def leading_values(
    Zc: jax.Array, W_all: jax.Array, m: int, solver: Solver, axis_name: Hashable | None
) -> tuple[jax.Array, jax.Array]:
    """Returns the ``m`` largest singular values of ``R = Zc - Zc W^T W``, descending.

    A value that is but rounding has no derivative. On one device derivatives are of any
    order; under ``axis_name`` those of second order are refused. The second result is a token
    (see ``_schedule``): it is there as soon as the eigenproblem, which takes most of the time,
    can start.
    """
    scale = _scale(Zc, axis_name)
    if axis_name is None:
        s, token = _values(Zc, W_all, scale, m, solver)
        return scale * s, token
    found = _vectors_of_shards(Zc, W_all, scale, m, solver, axis_name)
    X, T, token = lax.stop_gradient(found)
    s = _lengths(T, axis_name)
    # Their derivative: U^T dR X of what counts.
    images = _images(Zc, W_all, X, scale, left=_is_wide(Zc, axis_name))
    moved = jnp.where(_counts(s, Zc, axis_name), images - lax.stop_gradient(images), 0)
    s += _numerics.total(jnp.sum(_unit(T, s, axis_name) * moved, axis=0), axis_name)
    return scale * s, token


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _values(
    Zc: jax.Array, W_all: jax.Array, scale: jax.Array, m: int, solver: Solver
) -> tuple[jax.Array, jax.Array]:
    _, T, token = _vectors(Zc, W_all, scale, m, solver)
    return _lengths(T, None), token


@_values.defjvp
def _values_jvp(
    m: int, solver: Solver, primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    # s_i = |R v_i| is stationary in v_i: to first order the vectors count as constants,
    # and ds_i = (R v_i)^T dR v_i / s_i. Their own derivative enters with the second order,
    # when this rule is differentiated.
    Zc, W_all, scale = primals
    X, T, token = _vectors(Zc, W_all, scale, m, solver)
    images = functools.partial(_images, X=X, scale=scale, left=_is_wide(Zc, None))
    _, dT = jax.jvp(images, (Zc, W_all), tangents[:2])
    s = _lengths(T, None)
    ds = jnp.sum(_unit(T, s, None) * dT, axis=0)
    return (s, token), (jnp.where(_counts(s, Zc, None), ds, 0), jnp.zeros_like(token))


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _vectors(Zc: jax.Array, W_all: jax.Array, scale: jax.Array, m: int, solver: Solver) -> _Vectors:
    return _singular_vectors(Zc, W_all, scale, m, solver, None)


@_vectors.defjvp
def _vectors_jvp(
    m: int, solver: Solver, primals: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[_Vectors, _Vectors]:
    # Of the eigenvectors of G = R^T R, whichever way they were found:
    # dx_i = sum_j v_j (v_j^T dG x_i) / (l_i - l_j) over all others. Those of values that
    # are equal up to rounding are any basis of their span, which they are left in.
    Zc, W_all, scale = primals
    X, T, token = _vectors(Zc, W_all, scale, m, solver)
    left = _is_wide(Zc, None)

    def product(Zc: jax.Array, W_all: jax.Array) -> jax.Array:
        R = _residual(Zc, W_all, scale)
        return _numerics.gram(R.T, R.T, None) if left else _numerics.gram(R, R, None)

    G, dG = jax.jvp(product, (Zc, W_all), tangents[:2])
    values, V = _gram.eigenvectors(G)
    gaps = values[None, :m] - values[:, None]
    gaps = jnp.where(jnp.abs(gaps) > 8 * jnp.finfo(G.dtype).eps * values[0], gaps, 0)
    moved = _numerics.matmul(dG, X)
    moved = _numerics.matmul(V.T, moved)
    dX = _numerics.matmul(V, _numerics.safe_divide(moved, gaps))
    images = functools.partial(_images, scale=scale, left=left)
    _, dT = jax.jvp(images, (Zc, W_all, X), (*tangents[:2], dX))
    return (X, T, token), (dX, dT, jnp.zeros_like(token))


@jax.custom_jvp
def _only_once(vectors: _Vectors) -> _Vectors:
    return vectors


@_only_once.defjvp
def _only_once_jvp(primals: tuple[_Vectors], tangents: tuple[_Vectors]) -> Any:
    raise _checks.failure(
        ValueError,
        "isotropy_loss",
        "axis_name",
        "None for derivatives of second or higher order",
        "the name of a mesh axis",
        "Take them under plain jit, of a batch that is split over the devices.",
    )


def _residual(Zc: jax.Array, W_all: jax.Array, scale: jax.Array) -> jax.Array:
    S = _numerics.matmul(Zc, W_all.T)
    return (Zc - _numerics.matmul(S, W_all)) / scale


def _scale(Zc: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Returns the power of two that entries are divided by to be safely squared."""
    largest = jnp.max(jnp.abs(lax.stop_gradient(Zc)))
    return _numerics.power_of_two(largest if axis_name is None else lax.pmax(largest, axis_name))


def _is_wide(Zc: jax.Array, axis_name: Hashable | None) -> bool:
    """Tells whether left singular vectors are the shorter ones; shards have but right ones."""
    return axis_name is None and Zc.shape[0] < Zc.shape[1]


def _images(
    Zc: jax.Array, W_all: jax.Array, X: jax.Array, scale: jax.Array, *, left: bool
) -> jax.Array:
    """Returns ``R X`` of right vectors (D, m), or ``R^T X`` of left ones (B, m), scaled.

    The subspaces are taken out of m vectors instead of all rows.
    """
    if left:
        X = _numerics.matmul(Zc.T, X / scale)
    inside = _numerics.matmul(W_all, X)
    X -= _numerics.matmul(W_all.T, inside)
    return X if left else _numerics.matmul(Zc, X / scale)


def _unit(T: jax.Array, s: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Returns images T divided by their lengths s, made orthogonal to all before them.

    T_i is off by eps s_1 along the images of larger values, which is much of a small T_i, and a
    derivative may have nearly all of its size along those.
    """
    U = _numerics.safe_divide(T, s[None])
    M = _numerics.gram(U, U, axis_name)
    return U - lax.stop_gradient(_numerics.matmul(U, jnp.triu(M, 1)))


def _lengths(T: jax.Array, axis_name: Hashable | None) -> jax.Array:
    return _numerics.safe_sqrt(_numerics.total(jnp.sum(jnp.square(T), axis=0), axis_name))


def _counts(s: jax.Array, Zc: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Tells which singular values, of latents scaled to entries below 1, are more than rounding.

    Of the largest of them, or of the latents themselves where little is left: rounding their
    entries by eps each adds a matrix of at most about eps (sqrt(B) + sqrt(D)) in norm.
    """
    B, D = Zc.shape[0] * _numerics.axis_size(axis_name), Zc.shape[1]
    return s > jnp.finfo(s.dtype).eps * jnp.maximum(8 * s[0], B**0.5 + D**0.5)


def _singular_vectors(
    Zc: jax.Array,
    W_all: jax.Array,
    scale: jax.Array,
    m: int,
    solver: Solver,
    axis_name: Hashable | None,
) -> _Vectors:
    """Returns ``m`` leading singular vectors of R, their images, and the token.

    But for ``"svd"`` and ``"eigen"``, which are what they say, rows meet in products alone:
    devices exchange squares of the shorter side, however long the batch is.
    """
    R = _numerics.infinities_to_nan(_residual(Zc, W_all, scale))
    left = _is_wide(Zc, axis_name)
    R = R.T if left else R

    def with_images(X: jax.Array) -> tuple[jax.Array, jax.Array]:
        return X[:, :m], _images(Zc, W_all, X[:, :m], scale, left=left)

    at_once = jnp.zeros((), R.dtype)
    if isinstance(solver, LowRank):
        X = _gram.refined(R, _gram.range_finder(R, solver, axis_name), axis_name)
        return (*with_images(X), at_once)
    if solver != "auto":
        R = R if axis_name is None else _factors.tsqr(R, axis_name)[1]
        return (*with_images(_factors.factors(R, solver)[2].T), at_once)

    eps = jnp.finfo(R.dtype).eps

    def steep(T: jax.Array) -> jax.Array:
        # Rounding of the squares, eps s_1^2, mixes vectors such that s_i moves by
        # eps s_1^2 / (2 s_i), but by no more than itself: where next to nothing is left, as
        # in the span of the subspaces, that is enough. Together 1e-5 is allowed in float32.
        s = _lengths(T, axis_name)
        moved = jnp.minimum(_numerics.safe_divide(eps * s[0] ** 2 / 2, s), s)
        # What is enough for a value is not for its derivative: a small one that counts needs a
        # vector of its own, and shares it by eps s_1^2 / s_i^2 with those of none.
        mixed = _counts(s, Zc, axis_name) & (s < _APART * eps**0.5 * s[0])
        return (jnp.sum(moved) > _ALLOWED * eps * jnp.sum(s)) | jnp.any(mixed)

    def from_all() -> tuple[jax.Array, jax.Array]:
        _, V = _gram.eigenvectors(G)
        X, T = with_images(V)
        return lax.cond(
            steep(T),
            lambda: with_images(_gram.refined(R, V, axis_name)),
            lambda: (X, T),
        )

    G = _numerics.cross(R, R, axis_name)
    token = jnp.trace(G)
    if not _partial_eigh.is_faster(len(G), m, G.dtype):
        return (*from_all(), token)
    _, X, converged = _partial_eigh.leading(G, m)
    X, T = with_images(X)
    return (*lax.cond(converged & ~steep(T), lambda: (X, T), from_all), token)


_vectors_of_shards = jax.custom_jvp(_singular_vectors, nondiff_argnums=(3, 4, 5))


@_vectors_of_shards.defjvp
def _vectors_of_shards_jvp(
    m: int,
    solver: Solver,
    axis_name: Hashable | None,
    primals: tuple[jax.Array, ...],
    tangents: tuple[jax.Array, ...],
) -> tuple[_Vectors, _Vectors]:
    # Constants to first order. What differentiates this rule takes a second one.
    Zc, W_all, scale = primals
    found = _only_once(_singular_vectors(Zc, W_all, scale, m, solver, axis_name))
    return found, jax.tree.map(jnp.zeros_like, found)

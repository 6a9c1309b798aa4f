"""Leading eigenvectors of a large symmetric matrix, from products with blocks of vectors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax.linalg import _lapack

_SPARE = 32  # vectors beyond those asked for: the gap to the last decides convergence
_DEGREES = 10, 20  # at most, of the first filter and of later ones
_AMPLIFIED = 1e5  # of the first vector over the last one asked for, by a filter
_PASSES = 8
_TOLERANCE = 16  # in units of rounding, eps times the largest eigenvalue


def is_faster(n: int, m: int, dtype: jnp.dtype, *, on_cpu: bool) -> bool:
    """Tells whether ``leading`` is faster than by LAPACK, of few on the CPU, of all elsewhere."""
    smallest = 25 * (m + _SPARE) if on_cpu else max(512, 8 * (m + _SPARE))
    return dtype == jnp.float32 and n >= smallest


def leading(G: jax.Array, m: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns ``m`` leading eigenvalues, descending, vectors (n, m), and if they converged.

    A polynomial of G, small between 0 and the last eigenvalue of a block of vectors, takes
    out of the block what does not belong there; the Ritz vectors of what is left come
    nearer with every pass. They converged if their residuals are rounding, and if no larger
    eigenvalue was missed; else something else has to find them. Of a positive semidefinite
    matrix.

    Reference:
        Zhou, Saad, Tiago and Chelikowsky, Self-consistent-field calculations using
        Chebyshev-filtered subspace iteration, J. Comput. Phys. 219(1), 2006.
    """
    allowed = _TOLERANCE * jnp.finfo(G.dtype).eps

    def unfinished(carry: tuple[jax.Array, _Ritz]) -> jax.Array:
        passes, block = carry
        return (passes < _PASSES) & ~(block.residual <= allowed * block.values[0])

    def step(carry: tuple[jax.Array, _Ritz]) -> tuple[jax.Array, _Ritz]:
        passes, block = carry
        degree = _degree(block.values, m, jnp.where(passes == 0, *_DEGREES))
        return passes + 1, _ritz(G, _filtered(G, block, degree), m)

    start = jax.random.normal(jax.random.key(0), (len(G), m + _SPARE), G.dtype)
    carry = jnp.zeros((), jnp.int32), _ritz(G, start, m)
    _, block = lax.while_loop(unfinished, step, carry)
    values, X = block.values[:m], block.X[:, :m]
    bound = allowed * values[0]
    return values, X, (block.residual <= bound) & _none_above(G, values, X, values[-1] + bound)


class _Ritz(NamedTuple):
    """Ritz vectors X (n, b), G X, Ritz values (b,), descending, and the largest residual."""

    X: jax.Array
    GX: jax.Array
    values: jax.Array
    residual: jax.Array  # of the vectors asked for


def _ritz(G: jax.Array, Y: jax.Array, m: int) -> _Ritz:
    """Finds those in the span of Y (n, b)."""
    X = _lapack.qr(Y)[0]
    GX = _numerics.matmul(G, X)
    values, V = _lapack.eigh(_numerics.gram(X, GX, None))
    values, V = values[::-1], V[:, ::-1]
    X, GX = _numerics.matmul(X, V), _numerics.matmul(GX, V)
    residuals = jnp.linalg.norm(GX[:, :m] - X[:, :m] * values[None, :m], axis=0)
    return _Ritz(X, GX, values, jnp.max(residuals))


def _edge(values: jax.Array) -> jax.Array:
    # What is filtered out lies between 0 and the last Ritz value of the block.
    return jnp.maximum(values[-1], 1e-6 * values[0])


def _degree(values: jax.Array, m: int, most: jax.Array) -> jax.Array:
    """Returns the degree that amplifies the first vector by as much more as rounding bears.

    On x = 2 l / edge - 1 > 1 a Chebyshev polynomial grows like exp(degree arccosh(x)).
    """
    x = jnp.maximum(2 * values / _edge(values) - 1, 1)
    apart = jnp.arccosh(x[0]) - jnp.arccosh(x[m - 1])
    degree = jnp.floor(_numerics.safe_divide(jnp.log(_AMPLIFIED), apart))
    return jnp.where(apart > 0, jnp.clip(degree, 2, most), most).astype(jnp.int32)


def _filtered(G: jax.Array, block: _Ritz, degree: jax.Array) -> jax.Array:
    """Returns the polynomial T_degree(2 G / edge - 1) of X, columns of unit length.

    The recurrence T_(j+1)(x) = 2 x T_j(x) - T_(j-1)(x), divided by its value at the first
    Ritz value, so that nothing overflows.
    """
    X, GX, values, _ = block
    edge = _edge(values)
    first = 1 / (2 * values[0] / edge - 1)

    def step(_: int, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        before, Y, ratio = carry
        following = 1 / (2 / first - ratio)
        moved = _numerics.matmul(G, Y) * (2 / edge) - Y
        after = 2 * following * moved - ratio * following * before
        return Y, after, following

    start = X, first * (GX * (2 / edge) - X), first
    Y = lax.fori_loop(1, degree, step, start)[1]
    return _numerics.safe_divide(Y, jnp.linalg.norm(Y, axis=0)[None])


def _none_above(G: jax.Array, values: jax.Array, X: jax.Array, bound: jax.Array) -> jax.Array:
    """Tells whether ``G`` without these eigenpairs has no eigenvalue above ``bound``.

    It has none if the bound less the matrix is positive definite, which a Cholesky
    factorization finds out in a tenth of the time that eigenvalues take.
    """
    deflated = G - _numerics.matmul(X * values[None], X.T)
    factor = _lapack.cholesky(bound * jnp.eye(len(G), dtype=G.dtype) - deflated)
    return jnp.isfinite(factor[-1, -1])

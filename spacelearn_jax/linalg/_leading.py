"""The leading singular vectors of a matrix, from products where those are as accurate."""

import functools
from collections.abc import Hashable

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics, _stacks
from spacelearn_jax.linalg import _factors, _gram, _lapack
from spacelearn_jax.linalg._solvers import LowRank, Solver

Vectors = tuple[jax.Array, jax.Array]


def vectors(A: jax.Array, k: int, solver: Solver) -> Vectors:
    """Returns ``k`` leading left (m, k) and right (n, k) singular vectors, detached.

    They have unit length and are orthogonal up to rounding; a QR factorization makes a
    basis of them and keeps every leading span.
    """
    if solver != "auto":
        return _first(_factors.factors(A, solver), k)
    if A.shape[0] < A.shape[1]:
        V, U = vectors(A.T, k, solver)
        return U, V
    return _checked(A, *_by_products(A, k))


def of_stack(A: jax.Array, k: int, solver: Solver) -> Vectors:
    """Returns those of every matrix in a stack (s, m, n)."""
    if solver != "auto":
        return _stacks.each(lambda A: vectors(A, k, solver), A)
    if A.shape[1] < A.shape[2]:
        V, U = of_stack(A.mT, k, solver)
        return U, V
    one = functools.partial(_by_products, k=k)
    in_turn = functools.partial(_stacks.each, one)
    # On accelerators one small matrix takes as long as the whole stack.
    found = lax.platform_dependent(A, cpu=in_turn, default=jax.vmap(one))
    return _checked_stack(A, *found)


def _checked_stack(A: jax.Array, found: Vectors, span: jax.Array, each: jax.Array) -> Vectors:
    """Looks at every matrix by itself only where products are not enough for one of them."""

    def in_turn() -> Vectors:
        return lax.map(lambda part: _checked(*part), (A, found, span, each))

    return lax.cond(jnp.all(each), lambda: found, in_turn)


def of_cross(
    Z: jax.Array, y: jax.Array, k: int, solver: LowRank, axis_name: Hashable | None
) -> Vectors:
    """Returns those of Z^T y (D, p), of detached rows, which need not be formed.

    With many columns for few rows, or for few directions, the products Z^T (y X) cost less
    than the matrix does, and less memory.
    """
    (B, D), p = Z.shape, y.shape[1]
    columns = 2 * (solver.n_iter + 1) * (solver.rank + solver.oversample)
    if columns * B * (D + p) >= (B + columns) * D * p:
        return vectors(_numerics.cross(Z, y, axis_name), k, solver)

    def product(left: jax.Array, right: jax.Array) -> _factors.Product:
        def apply(X: jax.Array) -> jax.Array:
            rows = _numerics.matmul(right, X)
            return _numerics.gram(left, rows, axis_name)

        return apply

    factors = _factors.randomized_svd(product(Z, y), product(y, Z), (D, p), Z.dtype, solver)
    return _first(factors, k)


def _first(factors: _factors.Factors, k: int) -> Vectors:
    return factors[0][:, :k], factors[2][:k].T


def _scaled(A: jax.Array) -> jax.Array:
    # The vectors are the same at any scale, and near to 1 no square underflows.
    A = _numerics.infinities_to_nan(lax.stop_gradient(A))
    return A / _numerics.power_of_two(jnp.max(jnp.abs(A)))


def _unit(X: jax.Array) -> jax.Array:
    return X / jnp.linalg.norm(X, axis=0)[None]


def _by_products(A: jax.Array, k: int) -> tuple[Vectors, jax.Array, jax.Array]:
    """Corrects eigenvectors of A^T A (n, n) once, and tells if that is enough.

    That is, enough for the span of the ``k`` leading ones, and for each of them.

    Squaring leaves V off by eps s_1^2 over the gap of the squares: A^T A v_i is not orthogonal
    to v_j. As the product of A^T with A v_i it tells by how much, up to eps s_1 s_i, which an
    SVD rounds as well: v_i lacks E_ji v_j with E_ji = v_j^T A^T (A v_i) / (s_i^2 - s_j^2), and
    what lacks then is |E|^2.

    Reference:
        Ogita and Aishima, Iterative refinement for singular value decomposition based on
        matrix multiplication, J. Comput. Appl. Math. 369, 2020.
    """
    A = _scaled(A)
    squares, V = _gram.right_vectors(A, None)
    first = V[:, :k]
    Y = _numerics.matmul(A, first)
    lengths = jnp.sum(jnp.square(Y), axis=0)
    squares = jnp.concatenate([lengths, squares[k:]])
    off = _numerics.gram(V, _numerics.gram(A, Y, None), None)
    own = jnp.eye(len(V), k, dtype=bool)
    E = jnp.where(own, 0, off / jnp.where(own, 1, lengths[None] - squares[:, None]))
    eps = jnp.finfo(A.dtype).eps
    # NaN, in which under- and overflow end, is not less than anything.
    span = (jnp.sum(jnp.square(E[k:])) < eps) & (lengths[-1] > eps * lengths[0])
    each = span & (jnp.sum(jnp.square(E)) < eps)
    # Without the latter the first k are turned among themselves afterwards.
    counts = each | (jnp.arange(len(V)) >= k)
    lacking = _numerics.matmul(V, jnp.where(counts[:, None], E, 0))
    Y = Y + _numerics.matmul(A, lacking)
    return (_unit(Y), _unit(first + lacking)), span, each


def _checked(A: jax.Array, found: Vectors, span: jax.Array, each: jax.Array) -> Vectors:
    """Returns what products found where that is enough, and else what is."""
    k = found[1].shape[1]
    A = _scaled(A)  # once more, as a stack of scaled matrices costs more than it saves

    def turned() -> Vectors:
        return lax.cond(span, lambda: _turned(A, found[1]), lambda: _first(_lapack.svd(A), k))

    return lax.cond(each, lambda: found, turned)


def _turned(A: jax.Array, right: jax.Array) -> Vectors:
    """Returns the singular vectors of ``A`` within an accurate span of right ones."""
    right = _gram.refined(A, right, None)
    return _unit(_numerics.matmul(A, right)), right

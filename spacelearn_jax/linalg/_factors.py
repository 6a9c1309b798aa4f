"""The factorizations themselves: detached (U, s, Vt) of one matrix."""

from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax.linalg import _lapack
from spacelearn_jax.linalg._solvers import LowRank, Solver, random_key

Factors = tuple[jax.Array, jax.Array, jax.Array]
Product = Callable[[jax.Array], jax.Array]


def factors(A: jax.Array, solver: Solver) -> Factors:
    """Returns the reduced singular value decomposition of ``A`` (m, n), detached.

    Gives U (m, r), s (r,) descending and Vt (r, n), orthonormal also where s is 0.
    """
    A = _numerics.infinities_to_nan(lax.stop_gradient(A))
    if isinstance(solver, LowRank):
        return _randomized(A, solver)
    if solver == "eigen":
        return _gram_svd(A)
    U, s, Vt = _lapack.svd(A)
    return U, s, Vt


def _gram_svd(A: jax.Array) -> Factors:
    """Eigenvectors of the smaller Gram matrix, the other side by QR.

    With V from A^T A the columns of A V are orthogonal up to rounding, so their QR
    factorization gives orthonormal left vectors even where singular values vanish,
    and singular values |diag R| without the square root of a cancelled eigenvalue.
    """
    if A.shape[0] < A.shape[1]:
        U, s, Vt = _gram_svd(A.T)
        return Vt.T, s, U.T
    scale = _numerics.power_of_two(jnp.max(jnp.abs(A)))
    A = A / scale  # or squares would leave the range of the dtype
    G = _numerics.matmul(A.T, A)
    values, V = _lapack.eigh(G)
    # Of a 1 x 1 matrix LAPACK returns 1 as the vector without reading it, also for NaN.
    V = jnp.where(jnp.isnan(values)[None], values[None], V)[:, ::-1]
    U, R = _lapack.qr(_numerics.matmul(A, V))
    s = jnp.diagonal(R)
    U = U * jnp.where(s < 0, -1, 1).astype(U.dtype)[None]
    s = jnp.abs(s)
    order = jnp.argsort(-s)
    return U[:, order], scale * s[order], V[:, order].T


def _randomized(A: jax.Array, solver: LowRank) -> Factors:
    def times(X: jax.Array) -> jax.Array:
        return _numerics.matmul(A, X)

    def back(Q: jax.Array) -> jax.Array:
        return _numerics.matmul(A.T, Q)

    return randomized_svd(times, back, A.shape, A.dtype, solver)


def randomized_svd(
    times: Product, back: Product, shape: tuple[int, ...], dtype: jnp.dtype, solver: LowRank
) -> Factors:
    """Factors a matrix A (m, n) that is known by ``times(X)`` = A X and ``back(Q)`` = A^T Q."""
    m, n = shape
    width = min(solver.rank + solver.oversample, m, n)
    test = jax.random.normal(random_key(solver), (n, width), dtype)
    Q = _lapack.qr(times(test))[0]
    for _ in range(solver.n_iter):
        Q = _lapack.qr(times(_lapack.qr(back(Q))[0]))[0]
    small = _numerics.infinities_to_nan(back(Q).T)
    U, s, Vt = _lapack.svd(small)
    U = _numerics.matmul(Q, U)
    r = min(solver.rank, m, n)
    return U[:, :r], s[:r], Vt[:r]


def fix_signs(U: jax.Array, Vt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Makes the largest entry of every left vector positive; the pair flips together."""
    largest = jnp.take_along_axis(U, jnp.argmax(jnp.abs(U), axis=0)[None], axis=0)
    sign = jnp.where(largest < 0, -1, 1).astype(U.dtype)
    return U * sign, Vt * sign.T


def attach_gradient(s: jax.Array, A: jax.Array, U: jax.Array, Vt: jax.Array) -> jax.Array:
    """Gives detached singular values their derivative ds_i = u_i^T dA v_i.

    It is finite for repeated and vanishing values too. The vectors are constants,
    so it is a first derivative only.
    """
    AV = _numerics.matmul(A, lax.stop_gradient(Vt).T)
    stationary = jnp.sum(lax.stop_gradient(U) * AV, axis=0)
    return lax.stop_gradient(s) + (stationary - lax.stop_gradient(stationary))


def tsqr(X: jax.Array, axis_name: Hashable | None) -> tuple[jax.Array, jax.Array]:
    """Factors row-sharded X = Q R: this shard's rows of Q, and the R of all, replicated.

    A two-level QR: the shards' R factors are stacked on every device and factored
    again, which keeps the accuracy that a summed Gram matrix would square away.

    Reference:
        Demmel, Grigori, Hoemmen and Langou, Communication-optimal parallel and
        sequential QR and LU factorizations, SIAM J. Sci. Comput. 34(1), 2012.
    """
    Q, R = _lapack.qr(X)
    if axis_name is None:
        return Q, R
    # A sum of one-hot blocks is an all-gather whose result counts as replicated.
    shards = _numerics.axis_size(axis_name)
    mine = lax.axis_index(axis_name)
    blocks = jnp.zeros((shards, *R.shape), R.dtype)
    blocks = lax.psum(lax.dynamic_update_index_in_dim(blocks, R, mine, 0), axis_name)
    outer, R_all = _lapack.qr(blocks.reshape(-1, R.shape[1]))
    outer = outer.reshape(shards, R.shape[0], -1)
    own = lax.dynamic_index_in_dim(outer, mine, 0, keepdims=False)
    return _numerics.matmul(Q, own), R_all


def singular_values(A: jax.Array, solver: Solver) -> jax.Array:
    """Returns singular values, differentiable: by an exact SVD to any order, else once."""
    if solver in ("auto", "svd"):
        return _lapack.svdvals(_numerics.infinities_to_nan(A))
    U, s, Vt = factors(A, solver)
    return attach_gradient(s, A, U, Vt)

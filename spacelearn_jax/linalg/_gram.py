"""Right singular vectors of a matrix with long columns, from products alone.

Rows may lie on several devices, as shards of ``axis_name`` or of the array itself: what
is exchanged is as wide as a row, and no wider where the batch grows.
"""

from collections.abc import Hashable

import jax
import jax.numpy as jnp

from spacelearn_jax import _numerics
from spacelearn_jax.linalg import _lapack
from spacelearn_jax.linalg._solvers import LowRank, random_key


def right_vectors(A: jax.Array, axis_name: Hashable | None) -> tuple[jax.Array, jax.Array]:
    """Returns squared singular values, descending, and right vectors (n, n), of (m, n).

    Squaring costs digits: ``s_i`` and its vector are off by eps s_1^2 / s_i.
    """
    return eigenvectors(_numerics.gram(A, A, axis_name))


def eigenvectors(G: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns all eigenvalues of (n, n), descending, and eigenvectors (n, n)."""
    values, V = _lapack.eigh(G)
    return values[::-1], V[:, ::-1]


def refined(A: jax.Array, X: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Returns right singular vectors (n, r) within the span of ``X`` (n, r), descending.

    They are as accurate as by an SVD of ``A``, if ``X`` comes from ``right_vectors``. Then
    the columns of A X are orthogonal up to eps s_1 in length. Divided by their lengths d
    they have a Gram matrix C near to the identity, but for columns that are rounding alone,
    and its root, C = F^T F, loses little: F diag(d) stands for A X, and is small.

    Reference:
        Drmac and Veselic, New fast and accurate Jacobi SVD algorithm, SIAM J. Matrix Anal.
        Appl. 29(4), 2008, for the scaling.
    """
    Y = _numerics.matmul(A, X)
    d = _numerics.safe_sqrt(_numerics.total(jnp.sum(jnp.square(Y), axis=0), axis_name))
    Y = _numerics.safe_divide(Y, d[None])
    C = _numerics.gram(Y, Y, axis_name)
    # By eigenvectors, because Cholesky fails where columns of rounding are parallel.
    values, V = _lapack.eigh(C)
    F = _numerics.safe_sqrt(values)[:, None] * V.T
    Vt = _lapack.svd(F * d[None])[2]
    return _numerics.matmul(X, Vt.T)


def range_finder(A: jax.Array, solver: LowRank, axis_name: Hashable | None) -> jax.Array:
    """Returns an orthonormal basis (n, r) that holds most of the rows, at random.

    Power iterations on A^T A. The rotation before each keeps the columns apart in length,
    so that none is lost in the rounding of a longer one.
    """
    n = A.shape[1]
    width = min(solver.rank + solver.oversample, n)
    X = _lapack.qr(jax.random.normal(random_key(solver), (n, width), A.dtype))[0]
    for _ in range(solver.n_iter + 1):
        T = _numerics.matmul(A, X)
        T = _numerics.matmul(T, right_vectors(T, axis_name)[1])
        X = _lapack.qr(_numerics.gram(A, T, axis_name))[0]
    return X

"""Leading eigenvectors of a large symmetric matrix, from products with a few vectors."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax.linalg import _lapack

_BLOCK = 8
_TOLERANCE = 16  # in units of rounding, eps times the largest eigenvalue


def dimension(n: int, m: int) -> int:
    """Returns how many Krylov vectors ``m`` leading eigenvectors of (n, n) take in float32.

    Next to the edge of a spectrum that has no structure at all, eigenvalue i is
    (i / n)^(2/3) of its width below the first, and a polynomial needs a degree of
    1 / sqrt(gap) to tell neighbours apart. The constants are measured on Gram matrices of
    random rows, many for each latent; a falling spectrum needs a third.
    """
    return _BLOCK * math.ceil(3.2 * n ** (1 / 3) * (m + 3 * _BLOCK) ** (2 / 3) / _BLOCK)


def pays(n: int, m: int, dtype: jnp.dtype, *, over_lapack: bool = False) -> bool:
    """Tells whether that is faster than all eigenvectors, or than few by LAPACK."""
    return dtype == jnp.float32 and (3 if over_lapack else 2) * dimension(n, m) <= n


def leading(G: jax.Array, m: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns ``m`` leading eigenvalues, descending, eigenvectors (n, m), and if they hold.

    They hold if the residuals are rounding, and if no larger eigenvalue was missed; else
    something else has to find them. Of a positive semidefinite matrix.

    Reference:
        Golub and Underwood, The block Lanczos method for computing eigenvalues,
        Mathematical Software III, 1977.
    """
    K, T, rest = _krylov(G, dimension(len(G), m))
    values, V = _lapack.eigh_of_lower(T)
    values, V = values[::-1][:m], V[:, ::-1][:, :m]
    X = jnp.matmul(K, V, precision=_numerics.EXACT)
    # G K = K T but in the last block, where K ends and ``rest`` leaves it.
    residuals = jnp.matmul(rest, V[-_BLOCK:], precision=_numerics.EXACT)
    allowed = _TOLERANCE * jnp.finfo(G.dtype).eps * values[0]
    converged = jnp.all(jnp.linalg.norm(residuals, axis=0) <= allowed)
    return values, X, converged & _none_above(G, values, X, values[-1] + allowed)


def _krylov(G: jax.Array, N: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns a basis K (n, N) of a block Krylov space, K^T G K, and where K would go on.

    Every block is made orthogonal to all before it, twice, and to itself in between: what
    is left of a space that is exhausted is rounding, which only then has a direction of its
    own. Of K^T G K only the lower triangle is filled in.
    """

    def outside(X: jax.Array, K: jax.Array) -> tuple[jax.Array, jax.Array]:
        # (X^T K, and not K^T X: on the CPU, twice as fast.)
        inside = jnp.matmul(X.T, K, precision=_numerics.EXACT)
        return X - jnp.matmul(K, inside.T, precision=_numerics.EXACT), inside

    def step(i: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        K, T, Q, _ = carry
        K = lax.dynamic_update_slice_in_dim(K, Q, i * _BLOCK, axis=1)
        Y, inside = outside(jnp.matmul(G, Q, precision=_numerics.EXACT), K)
        T = lax.dynamic_update_slice_in_dim(T, inside, i * _BLOCK, axis=0)
        Q, first = _lapack.qr(Y)
        Q, second = _lapack.qr(outside(Q, K)[0])
        return K, T, Q, jnp.matmul(second, first, precision=_numerics.EXACT)

    shape = (len(G), _BLOCK)
    start = _lapack.qr(jax.random.normal(jax.random.key(0), shape, G.dtype))[0]
    K, T, rest = (jnp.zeros(s, G.dtype) for s in ((len(G), N), (N, N), (_BLOCK, _BLOCK)))
    K, T, _, rest = lax.fori_loop(0, N // _BLOCK, step, (K, T, start, rest))
    return K, T, rest


def _none_above(G: jax.Array, values: jax.Array, X: jax.Array, bound: jax.Array) -> jax.Array:
    """Tells whether ``G`` without these eigenpairs has no eigenvalue above ``bound``.

    It has none if the bound less the matrix is positive definite, which a Cholesky
    factorization finds out in a tenth of the time that eigenvalues take.
    """
    deflated = G - jnp.matmul(X * values[None], X.T, precision=_numerics.EXACT)
    factor = _lapack.cholesky(bound * jnp.eye(len(G), dtype=G.dtype) - deflated)
    return jnp.isfinite(factor[-1, -1])

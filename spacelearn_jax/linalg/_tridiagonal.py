"""Leading eigenvectors of a symmetric matrix by a tridiagonal one, with LAPACK."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax.linalg import _bisection, _lapack

_SMALLEST = 256
_BLOCK = 32  # reflections that are applied at once
_PASSES = 4  # at most; mostly two
_TOLERANCE = 64  # in units of rounding, eps times the largest eigenvalue

# How many passes, vectors (n, m), their values (m,), and the largest error.
_Iterate = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


def is_faster(n: int, m: int) -> bool:
    """Tells whether ``leading`` is faster than all ``n`` eigenvectors on the CPU."""
    return n >= _SMALLEST and 8 * m <= n


def leading(G: jax.Array, m: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns ``m`` leading eigenvalues, descending, vectors (n, m), and if they converged.

    Reflections make the matrix tridiagonal: a third of the work for all eigenvectors. The
    rest is small for few of them: bisection for the eigenvalues, inverse iteration for
    their vectors, which then are rotated among themselves and reflected back. Bisection
    counts, so that it misses none: vectors converged if they have its values and small residuals.

    Reference:
        Parlett, The symmetric eigenvalue problem, SIAM, 1998, chapters 3, 4 and 7.
    """
    n, eps = len(G), jnp.finfo(G.dtype).eps
    reflections, d, e, taus = _lapack.tridiagonal(G)
    below, above = jnp.pad(e, (1, 0)), jnp.pad(e, (0, 1))
    counted = _bisection.largest(d, e, m)
    bound = _TOLERANCE * eps * counted[0]

    def iterated(X: jax.Array, passes: jax.Array) -> jax.Array:
        # All shifted systems as one, block-diagonal: one call of LAPACK. A shift that is an
        # eigenvalue may meet a pivot of 0 and give NaN, so shifts are a quarter of rounding
        # beyond, and another quarter with every pass.
        farther = (passes + 1).astype(G.dtype) / 4 * eps * counted[0]
        diagonals = d[None] - counted[:, None] - farther
        x = _lapack.tridiagonal_solve(
            jnp.tile(below, m), diagonals.ravel(), jnp.tile(above, m), X.T.reshape(-1, 1)
        ).reshape(m, n)
        x = (x / jnp.linalg.norm(x, axis=1)[:, None]).T
        return jnp.where(jnp.all(jnp.isfinite(x)), _lapack.qr(x)[0], X)

    def unfinished(carry: _Iterate) -> jax.Array:
        passes, _, _, error = carry
        return (passes < _PASSES) & ~(error <= bound / 4)

    def step(carry: _Iterate) -> _Iterate:
        passes, X, _, _ = carry
        X = iterated(X, passes)
        TX = d[:, None] * X
        TX += below[:, None] * jnp.roll(X, 1, axis=0) + above[:, None] * jnp.roll(X, -1, axis=0)
        values, V = _lapack.eigh(_numerics.gram(X, TX, None))
        values, V = values[::-1], V[:, ::-1]
        X, TX = (_numerics.matmul(A, V) for A in (X, TX))
        errors = jnp.linalg.norm(TX - X * values[None], axis=0) + jnp.abs(values - counted)
        return passes + 1, X, values, jnp.max(errors)

    # At an eigenvalue that is known to rounding, each iteration takes off all but rounding
    # over the gap. A start may happen to lack a vector, or to be near to another's of the
    # same eigenvalue, which the second makes up for, and seldom a third.
    # By NumPy, when traced: a constant costs no step a factorization.
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((n, m)))[0]
    start = jnp.asarray(basis, G.dtype), jnp.asarray(jnp.inf, G.dtype)
    X, error = _numerics.varying_like(start, counted)
    carry = jnp.zeros((), jnp.int32), X, counted, error
    _, X, values, error = lax.while_loop(unfinished, step, carry)
    X = _reflected(reflections, taus, X)
    X = X / jnp.linalg.norm(X, axis=0)[None]
    return values, X, error <= bound


def _reflected(reflections: jax.Array, taus: jax.Array, X: jax.Array) -> jax.Array:
    """Returns Q X (n, m) of the Q that makes Q^T G Q tridiagonal.

    Q is a product of I - tau v v^T, the first one last, with v in the columns of
    ``reflections`` above the diagonal, where they end with a 1 that is left out. Those of a
    block, as columns of V, make I - V (T (I + U T)^-1)^T V^T, with T = diag(tau) and U what
    V^T V has above the diagonal.

    Reference:
        Schreiber and Van Loan, A storage-efficient WY representation for products of
        Householder transformations, SIAM J. Sci. Stat. Comput. 10(1), 1989.
    """
    n = len(X)
    padding = -(n - 1) % _BLOCK
    # As rows, for so they lie in memory.
    V = jnp.tril(reflections.T[1:, :-1], -1) + jnp.eye(n - 1, dtype=X.dtype)
    V = jnp.pad(V, ((0, padding), (0, 1))).reshape(-1, _BLOCK, n)
    taus = jnp.pad(taus, (0, padding)).reshape(-1, _BLOCK)
    TU = taus[:, :, None] * jnp.triu(_numerics.matmul(V, V.mT), 1)

    def step(X: jax.Array, block: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        v, tau, tu = block
        inside = lax.linalg.triangular_solve(tu, _numerics.matmul(X, v.T), unit_diagonal=True)
        return X - _numerics.matmul(inside * tau[None], v), None

    return lax.scan(step, X.T, (V, taus, TU))[0].T

"""Factorizations that ``vmap`` takes one after the other on the CPU.

Batched calls of LAPACK spread over the threads that they run on, and wait. Two of them in
one program can hold all threads and wait forever: so did ``solve_subspaces`` of six
quantities under ``vmap`` on two cores, with jaxlib 0.10.2. Calls with one matrix don't wait.
So derivatives, of any order, are made of these functions as well: the rules of JAX would
factor in batches. What has no rule here is not differentiated anywhere.

Reference:
    Giles, Collected matrix derivative results for forward and reverse mode algorithmic
    differentiation, Advances in Automatic Differentiation, 2008.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics

Eigen = tuple[jax.Array, jax.Array]
Svd = tuple[jax.Array, jax.Array, jax.Array]

_one_by_one = jax.custom_batching.sequential_vmap


# CUDA batches small eigenproblems: on an H200 16 of 64 columns take .5 ms at once and 12 one
# by one, 16 of 256 columns 3.5 and 31, but two of 512 columns 30 and 11. Up to 128 columns even
# two at once (.66 ms) beat one (1.1), which goes to the solver for large matrices. Other
# factorizations gain nothing.
_AT_ONCE, _AS_TWO = 256, 128


@jax.custom_batching.custom_vmap
def _eigh(G: jax.Array) -> Eigen:
    def of_two(G: jax.Array) -> Eigen:
        values, vectors = _plain_eigh(jnp.stack([G, G]))
        return values[0], vectors[0]

    if len(G) > _AS_TWO:
        return _plain_eigh(G)
    return lax.platform_dependent(G, cuda=of_two, default=_plain_eigh)


@_eigh.def_vmap
def _eigh_of_many(size: int, batched: list[bool], G: jax.Array) -> tuple[Eigen, tuple[bool, bool]]:
    def in_turn(G: jax.Array) -> Eigen:
        return lax.map(_eigh, G)

    if G.shape[-1] > _AT_ONCE:
        return in_turn(G), (True, True)
    return lax.platform_dependent(G, cpu=in_turn, default=_plain_eigh), (True, True)


def _plain_eigh(G: jax.Array) -> Eigen:
    values, vectors = jnp.linalg.eigh(G)
    return values, vectors


@jax.custom_jvp
def eigh(G: jax.Array) -> Eigen:
    """Returns eigenvalues of a symmetric (n, n), ascending, and eigenvectors (n, n)."""
    return _eigh(G)


@eigh.defjvp
def _eigh_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Eigen, Eigen]:
    (G,), (dG,) = primals, tangents
    values, V = eigh(G)
    inside = _numerics.matmul(V.T, _numerics.matmul(dG, V))
    turned = _numerics.safe_divide(inside, values[None] - values[:, None])
    return (values, V), (jnp.diagonal(inside), _numerics.matmul(V, turned))


@_one_by_one
def eigvalsh(G: jax.Array) -> jax.Array:
    """Returns eigenvalues of (n, n), ascending."""
    return jnp.linalg.eigvalsh(G)


@_one_by_one
def qr(A: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns orthonormal Q (m, r) and R (r, n) of (m, n)."""
    Q, R = jnp.linalg.qr(A)
    return Q, R


def _platform_svd(A: jax.Array, *, vectors: bool) -> Any:
    # By default CUDA rotates columns in pairs up to 1024 of them, and does not keep their
    # lengths: float32 singular values come out up to 7e-5 too large, all of them.
    def by(algorithm: lax.linalg.SvdAlgorithm) -> Callable[[jax.Array], Any]:
        return functools.partial(
            lax.linalg.svd, full_matrices=False, compute_uv=vectors, algorithm=algorithm
        )

    algorithms = lax.linalg.SvdAlgorithm
    return lax.platform_dependent(A, cuda=by(algorithms.QR), default=by(algorithms.DEFAULT))


@_one_by_one
def _svd(A: jax.Array) -> Svd:
    U, s, Vt = _platform_svd(A, vectors=True)
    return U, s, Vt


@_one_by_one
def _svdvals(A: jax.Array) -> jax.Array:
    return _platform_svd(A, vectors=False)


@jax.custom_jvp
def svd(A: jax.Array) -> Svd:
    """Returns U (m, r), s (r,) descending and Vt (r, n) of (m, n)."""
    return _svd(A)


@svd.defjvp
def _svd_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Svd, Svd]:
    (A,), (dA,) = primals, tangents
    U, s, Vt = svd(A)
    dAV, dAtU = _numerics.matmul(dA, Vt.T), _numerics.matmul(dA.T, U)
    inside = _numerics.matmul(U.T, dAV)
    # Factored, for a difference of squares may be fused, and is then not 0 on the diagonal.
    gaps = (s[None] - s[:, None]) * (s[None] + s[:, None])
    left, right = inside * s[None], s[:, None] * inside
    dU = _numerics.matmul(U, _numerics.safe_divide(left + left.T, gaps))
    dV = _numerics.matmul(Vt.T, _numerics.safe_divide(right + right.T, gaps))
    # Of the longer side, what leaves the span of its vectors.
    m, n = A.shape
    if m > n:
        dU += _numerics.safe_divide(dAV - _numerics.matmul(U, inside), s[None])
    if n > m:
        dV += _numerics.safe_divide(dAtU - _numerics.matmul(Vt.T, inside.T), s[None])
    return (U, s, Vt), (dU, jnp.diagonal(inside), dV.T)


@jax.custom_jvp
def svdvals(A: jax.Array) -> jax.Array:
    """Returns singular values of (m, n), descending."""
    return _svdvals(A)


@svdvals.defjvp
def _svdvals_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    U, s, Vt = svd(*primals)
    return s, jnp.sum(U * _numerics.matmul(*tangents, Vt.T), axis=0)


@_one_by_one
def cholesky(G: jax.Array) -> jax.Array:
    """Returns the lower factor of a symmetric (n, n)."""
    # The transpose lies in memory as LAPACK reads it; symmetrizing takes as long as a third
    # of the factorization.
    return lax.linalg.cholesky(G.T, symmetrize_input=False)


@_one_by_one
def tridiagonal(G: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Returns Householder reflections (n, n) that make a symmetric (n, n) tridiagonal.

    With them its diagonal (n,), what is next to it (n - 1,), and factors (n - 1,).
    """
    # LAPACK reads columns, which of the transpose lie in memory as they are, and is a seventh
    # faster with what is above the diagonal.
    reflections, d, e, taus = lax.linalg.tridiagonal(G.T, lower=False)
    return reflections, d, e, taus


@_one_by_one
def tridiagonal_solve(dl: jax.Array, d: jax.Array, du: jax.Array, b: jax.Array) -> jax.Array:
    """Returns the solution (n, m) of a tridiagonal system, as in ``lax.linalg``."""
    return lax.linalg.tridiagonal_solve(dl, d, du, b)

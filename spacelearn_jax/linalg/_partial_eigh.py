"""A few leading eigenvectors of a large symmetric matrix, as the platform finds them best."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax.linalg import _chebyshev, _gram, _tridiagonal

Found = tuple[jax.Array, jax.Array, jax.Array]


def is_faster(n: int, m: int, dtype: jnp.dtype) -> bool:
    """Tells whether ``leading`` is faster than all ``n`` eigenvectors on some platform."""
    return _tridiagonal.is_faster(n, m) or _chebyshev.is_faster(n, m, dtype, on_cpu=False)


def leading(G: jax.Array, m: int) -> Found:
    """Returns ``m`` leading eigenvalues, descending, vectors (n, m), and if they converged.

    Where they didn't, something else has to find them. Of a positive semidefinite matrix.
    """
    n = len(G)
    on_cpu = elsewhere = _all
    if _tridiagonal.is_faster(n, m):
        on_cpu = _tridiagonal.leading
    if _chebyshev.is_faster(n, m, G.dtype, on_cpu=True):
        on_cpu = _chebyshev.leading
    # Bisection is thousands of steps that fill no processor but a CPU.
    if _chebyshev.is_faster(n, m, G.dtype, on_cpu=False):
        elsewhere = _chebyshev.leading
    if on_cpu is elsewhere:
        return on_cpu(G, m)
    ways = {"cpu": on_cpu, "default": elsewhere}
    return lax.platform_dependent(G, **{p: functools.partial(w, m=m) for p, w in ways.items()})


def _all(G: jax.Array, m: int) -> Found:
    values, V = _gram.eigenvectors(G)
    return values[:m], V[:, :m], _numerics.varying_like(jnp.asarray(True), values)

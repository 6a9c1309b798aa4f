"""A few leading eigenvectors of a large symmetric matrix, as the platform finds them best."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax.linalg import _gram, _lanczos, _tridiagonal

Found = tuple[jax.Array, jax.Array, jax.Array]


def pays(n: int, m: int, dtype: jnp.dtype) -> bool:
    """Tells whether ``m`` of them take less than all ``n`` on some platform."""
    return _tridiagonal.pays(n, m) or _lanczos.pays(n, m, dtype)


def leading(G: jax.Array, m: int) -> Found:
    """Returns ``m`` leading eigenvalues, descending, eigenvectors (n, m), and if they hold.

    Where they don't, something else has to find them. Of a positive semidefinite matrix.
    """
    n = len(G)
    by_products = functools.partial(_lanczos.leading, m=m)
    by_lapack = functools.partial(_tridiagonal.leading, m=m)
    if _lanczos.pays(n, m, G.dtype, over_lapack=True):
        return by_products(G)
    elsewhere = by_products if _lanczos.pays(n, m, G.dtype) else functools.partial(_all, m=m)
    if not _tridiagonal.pays(n, m):
        return elsewhere(G)
    # On the CPU only: elsewhere bisection is thousands of steps that fill no processor.
    return lax.platform_dependent(G, cpu=by_lapack, default=elsewhere)


def _all(G: jax.Array, m: int) -> Found:
    values, V = _gram.eigenvectors(G)
    return values[:m], V[:, :m], jnp.asarray(True)

"""Products of coordinates summed over the rows of one device, with derivatives of their own.

The derivative d(X^T X) = T + T^T, T = X^T dX, takes one product where the general rule has
two, also in reverse, where X dC + X dC^T becomes X (dC + dC^T).
"""

import functools
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from spacelearn_jax import _numerics

# Products (K, K), and the mean (K,) that centred latents left in their coordinates.
_Sums = tuple[jax.Array, jax.Array]


@jax.custom_jvp
def of_coordinates(X: jax.Array) -> jax.Array:
    """Returns X^T X (K, K) of centred coordinates X (B, K)."""
    return X.T @ X


@of_coordinates.defjvp
def _of_coordinates_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (X,), (dX,) = primals, tangents
    T = X.T @ dX
    return of_coordinates(X), T + T.T


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def of_latents(
    Z: jax.Array, W_all: jax.Array, where: jax.Array | None, axis_name: Hashable | None
) -> _Sums:
    """Returns the products of the coordinates of latents (B, D), and the mean left in those."""
    Zc = _numerics.center(Z, where, axis_name)
    X, left = centred_again(jnp.matmul(Zc, W_all.T), where, axis_name)
    return of_coordinates(X), left


def _of_latents_jvp(
    axis_name: Hashable | None, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[_Sums, _Sums]:
    # The columns of X sum to zero over all devices, so latents need not be centred:
    # X^T d(Zc W^T) = (X^T dZ) W^T + (X^T Z) dW^T. In reverse that is X ((dC + dC^T) W), which
    # meets the batch in one product, and nothing else.
    Z, W_all, where = primals
    dZ, dW, _ = tangents
    Zc = _numerics.center(Z, where, axis_name)
    X, left = centred_again(jnp.matmul(Zc, W_all.T), where, axis_name)
    T = jnp.zeros((W_all.shape[0],) * 2, X.dtype)
    if not isinstance(dZ, SymbolicZero):
        T += (X.T @ _numerics.zero_masked(dZ, where)) @ W_all.T
    if not isinstance(dW, SymbolicZero):
        T += (X.T @ Zc) @ dW.T
    return (of_coordinates(X), left), (T + T.T, jnp.zeros_like(left))


of_latents.defjvp(_of_latents_jvp, symbolic_zeros=True)


def centred_again(
    S: jax.Array, where: jax.Array | None, axis_name: Hashable | None
) -> tuple[jax.Array, jax.Array]:
    """Returns coordinates of centred latents without the mean that rounding left, and that."""
    S, left = _numerics.row_mean(S, where, axis_name)
    return _numerics.zero_masked(S - left[None], where), lax.stop_gradient(left)

"""The order in which a program's parts run, where that order costs time."""

import jax
import jax.numpy as jnp


def after(token: jax.Array, x: jax.Array) -> jax.Array:
    """Returns ``x``, but not before ``token`` is there, a number that is not negative.

    LAPACK runs on one thread, and XLA's CPU backend takes what is ready in the order in which
    it became so: what could run beside a factorization, on the other threads, comes before
    it. If it waits for the factorization's matrix it does not. A barrier is gone before the
    order is made; that a sum of squares is not negative, so that this multiplies by 1, the
    compiler does not know.
    """
    return x * jnp.where(token < 0, jnp.asarray(2, x.dtype), jnp.asarray(1, x.dtype))

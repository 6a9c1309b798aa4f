"""The order in which a program's parts run, where that order costs time."""

import jax
import jax.numpy as jnp


def after(token: jax.Array, x: jax.Array) -> jax.Array:
    """Returns ``x``, but not before ``token`` is there, a number that is not negative.

    XLA's CPU backend runs operations in the order in which they became ready, and LAPACK runs
    on one thread. If ``x`` depends on the matrix of a factorization, it runs beside that, on
    the other threads, and not before it. An optimization barrier would be removed before
    operations are ordered; a factor of 1 is not, if the compiler can't know that it is 1.
    """
    return x * jnp.where(token < 0, jnp.asarray(2, x.dtype), jnp.asarray(1, x.dtype))

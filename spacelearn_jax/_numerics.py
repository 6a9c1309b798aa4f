"""Masked and cross-device statistics, and guards that keep gradients finite.

Every guard compares so that NaN falls through to the non-linear operation: bad
input shows as NaN in the result instead of a quiet zero.
"""

import functools
from collections.abc import Hashable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

_Tree = TypeVar("_Tree")

#: Precision of products that feed a factorization or a fit.
HIGHEST = lax.Precision.HIGHEST


def compute_dtype(*arrays: jax.Array) -> jnp.dtype:
    """Returns float64 if an argument has it, else float32.

    It is ``jnp.result_type`` with 16-bit types upcast, and it works under strict
    dtype promotion as well.
    """
    if any(x.dtype == jnp.float64 for x in arrays):
        return jnp.dtype("float64")
    return jnp.dtype("float32")


def flatten(y: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """Flattens a target (B, ...) to (B, p)."""
    return y.reshape(y.shape[0], -1).astype(dtype)


def total(x: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Sums over the devices of ``axis_name``."""
    return x if axis_name is None else lax.psum(x, axis_name)


def axis_size(axis_name: Hashable | None) -> int:
    """Returns the static number of shards."""
    return 1 if axis_name is None else lax.axis_size(axis_name)


def count(
    x: jax.Array, where: jax.Array | None, axis_name: Hashable | None, dtype: jnp.dtype
) -> jax.Array:
    """Counts the valid rows of the whole batch, at least 1."""
    if where is None:
        return jnp.asarray(x.shape[0] * axis_size(axis_name), dtype)
    return jnp.maximum(total(jnp.sum(where, dtype=dtype), axis_name), 1)


Where = jax.Array | dict[str, jax.Array] | None


def rows_of(where: Where, q: str) -> jax.Array | None:
    """Returns the mask of the rows that have a quantity."""
    return where[q] if isinstance(where, dict) else where


def any_rows(where: Where) -> jax.Array | None:
    """Returns the mask of the rows that have some quantity, and so a valid latent."""
    if not isinstance(where, dict):
        return where
    if not where:
        return None
    return functools.reduce(jnp.logical_or, where.values())


def zero_masked(x: jax.Array, where: jax.Array | None) -> jax.Array:
    """Sets masked rows to zero, value and gradient, whatever they hold."""
    return x if where is None else jnp.where(where[:, None], x, 0)


def row_mean(
    x: jax.Array, where: jax.Array | None, axis_name: Hashable | None
) -> tuple[jax.Array, jax.Array]:
    """Returns the rows (n, d) without masked ones, and their mean (d,)."""
    x = zero_masked(x, where)
    n = count(x, where, axis_name, x.dtype)
    return x, total(jnp.sum(x, axis=0), axis_name) / n


def center(
    x: jax.Array, where: jax.Array | None = None, axis_name: Hashable | None = None
) -> jax.Array:
    """Subtracts the mean of the valid rows; masked rows become zero."""
    # The mask goes on before the mean (a masked NaN must not reach it) and again
    # after (zero minus the mean is not zero).
    x, mean = row_mean(x, where, axis_name)
    return zero_masked(x - mean[None], where)


def matmul(x: jax.Array, y: jax.Array) -> jax.Array:
    """Multiplies matrices at full precision, whatever JAX's default is."""
    return jnp.matmul(x, y, precision=HIGHEST)


def gram(x: jax.Array, y: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Contracts rows, ``x^T y`` (..., d, e), over the whole batch at full precision."""
    if y.shape[-1] == 1:
        # A sum reads rows in order, five times as fast on the CPU as a product that doesn't, and
        # is made of partial sums, where a row times a matrix adds one row after the other.
        return total(jnp.sum(x * y, axis=-2)[..., None], axis_name)
    return total(matmul(x.mT, y), axis_name)


def cross(x: jax.Array, y: jax.Array, axis_name: Hashable | None) -> jax.Array:
    """Contracts rows as ``gram`` does, for an ``x`` that is wide or meets many ``y``.

    The dots of XLA's CPU backend take about 1.7 times as long where they have to transpose
    on the way. The barrier keeps the transpose out of them; there is one for all ``y``.
    """
    if y.shape[-1] == 1:
        return gram(x, y, axis_name)
    return total(matmul(lax.optimization_barrier(x.mT), y), axis_name)


def infinities_to_nan(x: jax.Array) -> jax.Array:
    """Prepares a matrix for LAPACK, whose SVD returns on NaN but never on an infinity."""
    return jnp.where(jnp.isinf(x), jnp.nan, x)


def power_of_two(x: jax.Array) -> jax.Array:
    """Returns the least power of two above ``x``, to scale by without rounding.

    It is at least 2^-100 and, in float32, at most 2^126, so that it can be divided by: XLA
    multiplies by the reciprocal, which for 2^127 is denormal and so taken for 0.
    """
    x, limits = lax.stop_gradient(x), jnp.finfo(x.dtype)
    most = 2.0 ** (limits.maxexp - 2)
    # Without a mantissa a number is the nearest power of two.
    nearest = lax.reduce_precision(jnp.clip(x, 2.0**-100, most), limits.nexp, 0)
    return jnp.minimum(jnp.where(nearest > x, nearest, 2 * nearest), most)


def safe_sqrt(x: jax.Array) -> jax.Array:
    """Square root that is 0 with zero gradient at and below 0."""
    low = x <= 0
    return jnp.where(low, 0, jnp.sqrt(jnp.where(low, 1, x)))


def safe_divide(x: jax.Array, y: jax.Array) -> jax.Array:
    """Quotient that is 0 with zero gradient where ``y`` is 0."""
    zero = y == 0
    return jnp.where(zero, 0, x / jnp.where(zero, 1, y))


def replicated(x: _Tree, axis_name: Hashable | None) -> _Tree:
    """Makes the gradients of replicated results, a pytree, those of a single device.

    Differentiating inside ``shard_map(check_vma=False)``, ``vmap`` or ``pmap``
    means differentiating the *sum* of the copies on all devices, because
    ``psum`` transposes to ``psum`` there: gradients come out larger by the number
    of devices. With the replication types of ``check_vma=True`` they don't. The
    factor is measured by differentiating a bare ``psum`` in the same context, so
    that no private type information is asked for. It belongs in the transpose
    alone: values and forward derivatives are right already. A linear solve of the
    identity, whose transpose is given by itself, is what JAX has for that.
    """
    if axis_name is None:
        return x
    one = lax.axis_index(axis_name).astype(jnp.float32)
    factor = jax.grad(lambda v: lax.psum(v, axis_name))(one)
    factor = lax.psum(factor, axis_name) / axis_size(axis_name)

    def with_transpose(value: jax.Array) -> jax.Array:
        divisor = varying_like(factor.astype(value.dtype), value)
        return lax.custom_linear_solve(
            matvec=lambda v: v,
            b=value,
            solve=lambda _, b: b,
            transpose_solve=lambda _, cotangent: cotangent / divisor,
        )

    return jax.tree.map(with_transpose, x)


def varying_like(x: _Tree, like: jax.Array) -> _Tree:
    """Returns arrays that count as varying over the mesh axes that ``like`` varies over.

    In ``shard_map`` what a loop carries, or the branches of a condition return, must agree in
    that, and constants vary over none. What is selected varies as the condition does: so no
    private type information is asked for, and a selection of equal values compiles to nothing.
    """
    condition = jnp.all(like == 0)
    return jax.tree.map(lambda leaf: jnp.where(condition, leaf, leaf), x)

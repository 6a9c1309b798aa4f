"""The largest eigenvalues of a symmetric tridiagonal matrix, by counting."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics

_POINTS = 4  # in every interval: the fastest of 1 to 8
_UNROLLED = 16  # rows of the matrix in each step of a loop


def largest(d: jax.Array, e: jax.Array, m: int) -> jax.Array:
    """Returns the ``m`` largest eigenvalues, descending, of diagonal d (n,) and off-diagonal e.

    e is (n - 1,). How many eigenvalues are above a point is told by the signs of the pivots of
    the matrix less that point. All m intervals are cut in five until they are rounding wide, so
    that no eigenvalue is missed and equal ones are found as often as they are.

    Reference:
        Parlett, The symmetric eigenvalue problem, SIAM, 1998, chapter 3.
    """
    eps, tiny = jnp.finfo(d.dtype).eps, jnp.finfo(d.dtype).tiny
    squares = jnp.pad(jnp.square(e), (1, 0))
    least = tiny * jnp.maximum(1, jnp.max(squares))  # of a pivot, so that none is 0

    def above(points: jax.Array) -> jax.Array:
        def step(carry: tuple[jax.Array, ...], row: tuple[jax.Array, ...]) -> tuple:
            (pivot, count), (diagonal, square) = carry, row
            pivot = diagonal - points - square / pivot
            pivot = jnp.where(jnp.abs(pivot) < least, -least, pivot)
            return (pivot, count + (pivot > 0).astype(count.dtype)), None

        start = jnp.ones_like(points), jnp.zeros(points.shape, jnp.int32)
        start = _numerics.varying_like(start, points)
        (_, count), _ = lax.scan(step, start, (d, squares), unroll=_UNROLLED)
        return count

    inside = jnp.arange(1, _POINTS + 1, dtype=d.dtype) / (_POINTS + 1)
    index = jnp.arange(m, dtype=jnp.int32)[:, None]

    def cut(_: int, interval: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        low, high = interval
        points = low[:, None] + (high - low)[:, None] * inside[None]
        below_it = above(points.ravel()).reshape(points.shape) > index
        low = jnp.maximum(low, jnp.max(jnp.where(below_it, points, -jnp.inf), axis=1))
        high = jnp.minimum(high, jnp.min(jnp.where(below_it, jnp.inf, points), axis=1))
        return low, high

    # Gershgorin's discs hold all of them, within three times the largest in magnitude: half of
    # the last interval is rounding.
    reach = jnp.pad(jnp.abs(e), (1, 0)) + jnp.pad(jnp.abs(e), (0, 1))
    low, high = jnp.min(d - reach), jnp.max(d + reach)
    cuts = math.ceil(math.log(3 / eps, _POINTS + 1))
    low, high = lax.fori_loop(0, cuts, cut, (jnp.full(m, low), jnp.full(m, high)))
    return (low + high) / 2

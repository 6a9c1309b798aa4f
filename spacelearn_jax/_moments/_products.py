"""Sums of products of float32 numbers to more digits than float32 has.

Entries are cut in two: leading bits, few enough that sums of their products are exact in
float32, and a rest, so small that the rounding of its products hardly counts. What is
exact and what is small make a pair of matrices whose sum is off by 2^-33 to 2^-30 of the
factors' size, for two or three plain products of matrices. Sums that are as exact as two
numbers can hold them, to 2^-42, take another cut.

Reference:
    Ozaki, Ogita, Oishi and Rump, Error-free transformations of matrix multiplication by
    using fast routines of matrix multiplication and its applications, Numerical
    Algorithms 59, 2012.
"""

from collections.abc import Hashable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax._moments._sums import rounded, two_product, two_sum

# Sums of more rows are made of those of parts: the more there are, the larger is the rest of
# each against what sums are made of.
MANY_ROWS, _PART_ROWS = 2**13, 2**12
# Of products of pairs, relative to the size of what is multiplied.
PAIR_EPS = 2.0**-29


class Pair(NamedTuple):
    """A matrix as the sum of two, the rounded one and what rounding took.

    Without a rest it is as good as its dtype, and so is all that is made of it.
    """

    high: jax.Array
    low: jax.Array | None

    @property
    def eps(self) -> float:
        """Rounding of products of this, relative to the size of what is multiplied."""
        return float(jnp.finfo(self.high.dtype).eps) if self.low is None else PAIR_EPS


def over_rows(x: jax.Array, y: jax.Array, axis_name: Hashable | None) -> Pair:
    """Returns x^T y (d, e) of float32 rows (n, d) and (n, e) on all devices of a mesh axis."""
    n = x.shape[0]
    if n <= MANY_ROWS:
        P = _product(x, y)
    else:
        # As many parts as a power of two, so that those of devices stay where they are.
        parts = 2 ** _bits(-(-n // _PART_ROWS))

        def cut(x: jax.Array) -> jax.Array:
            return jnp.pad(x, ((0, -n % parts), (0, 0))).reshape(parts, -1, x.shape[1])

        P = _over_parts(
            jax.vmap(lambda x: _product(x, x))(cut(x))
            if y is x
            else jax.vmap(_product)(cut(x), cut(y))
        )
    return P if axis_name is None else over_devices(P, axis_name)


def _over_parts(P: Pair) -> Pair:
    """Returns the sum (d, e) over a stack (s, d, e) of pairs, as ``over_devices`` does.

    No named axis: that of ``vmap`` may have no collectives within ``shard_map``.
    """
    assert P.low is not None
    high, rest = _cut(P.high, 23 - _bits(P.high.shape[0]), axes=(0, 1))
    return Pair(*two_sum(jnp.sum(high, axis=0), jnp.sum(rounded(rest + P.low), axis=0)))


def _product(x: jax.Array, y: jax.Array) -> Pair:
    """Returns x^T y (d, e) of float32 rows (n, d) and (n, e)."""
    x_high, x_rest = _cut_in_two(x)
    if y is x:
        # x^T x = high^T high + rest^T middle + middle^T rest with middle = high + rest / 2.
        half = _numerics.gram(x_rest, x_high + x_rest / 2, None)
        y_high, rest = x_high, half + half.T
    else:
        y_high, y_rest = _cut_in_two(y)
        rest = _numerics.gram(x_high, y_rest, None) + _numerics.gram(x_rest, y, None)
    return Pair(*two_sum(_numerics.gram(x_high, y_high, None), rounded(rest)))


def times(X: jax.Array, P: Pair) -> Pair:
    """Returns X^T P (k, e) of X (n, k) and P (n, e), to nearly all digits that a pair has.

    ``over_rows`` has fewer: over many rows, errors of its small products cancel, but what
    is done to their sum is done once. Here a second cut makes those exact as well.
    """
    if P.low is None:
        return Pair(_numerics.gram(X, P.high, None), None)
    bits = _factor_bits(X.shape[0])
    x, x_next, x_last = _cut(X, bits, bits)
    y, y_next, y_last = _cut(P.high, bits, bits)
    high, low = two_sum(_numerics.gram(x, y, None), _numerics.gram(x, y_next, None))
    high, lost = two_sum(high, _numerics.gram(x_next, y, None))
    small = jnp.concatenate([x, x_next, x_last, X])
    others = jnp.concatenate([y_last, y_next + y_last, P.high, P.low])
    return plus(Pair(high, low + lost), _numerics.gram(small, others, None))


def quadratic(T: jax.Array, S: Pair) -> Pair:
    """Returns T^T S T (k, k) of T (n, k) and a symmetric S (n, n)."""
    half = times(T, S)
    return times(T, jax.tree.map(jnp.transpose, half))


def plus(P: Pair, y: jax.Array) -> Pair:
    """Returns P + y."""
    if P.low is None:
        return Pair(P.high + y, None)
    high, lost = two_sum(P.high, rounded(y))
    return Pair(high, P.low + lost)


def scaled(P: Pair, factor: jax.Array | float) -> Pair:
    """Returns ``factor`` P."""
    if P.low is None:
        return Pair(factor * P.high, None)
    high, lost = two_product(jnp.asarray(factor, P.high.dtype), P.high)
    return Pair(high, factor * P.low + lost)


def over_devices(P: Pair, axis_name: Hashable) -> Pair:
    """Returns the sum over the devices of a mesh axis, each of which has its own."""
    if P.low is None:
        return Pair(lax.psum(P.high, axis_name), None)
    high, rest = _cut(P.high, 23 - _bits(_numerics.axis_size(axis_name)), axis_name=axis_name)
    return Pair(*two_sum(*lax.psum((high, rounded(rest + P.low)), axis_name)))


def _bits(n: int) -> int:
    """Returns how many bits a sum of n numbers has more than each of them."""
    return (n - 1).bit_length()


def _factor_bits(n: int) -> int:
    """Returns how many bits factors may have for sums of n products to be exact.

    Such a sum has twice as many and those of n, but one less in practice, where not all
    numbers are as large as the largest. They fit 24, and where they don't, are rounded.
    """
    return max((25 - _bits(n)) // 2, 1)


def _cut_in_two(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cuts columns into multiples of a power of two, whose sums of products fit 24 bits.

    No sum of some products is larger than the lengths of both columns, by Cauchy and Schwarz,
    so that each may be 2^12 times its unit, whatever the number of rows.
    """
    length = jnp.sqrt(jnp.sum(jnp.square(x), axis=0, keepdims=True))
    unit = _numerics.power_of_two(length) / 2**12
    high = jnp.round(x / unit) * unit
    return high, x - high


def _cut(
    x: jax.Array,
    *bits: int,
    axes: int | tuple[int, ...] = 0,
    axis_name: Hashable | None = None,
) -> list[jax.Array]:
    """Cuts columns into multiples of a power of two each, of so many bits, and the rest."""
    largest = jnp.max(jnp.abs(x), axis=axes, keepdims=True) if x.ndim else jnp.abs(x)
    if axis_name is not None:
        largest = lax.pmax(largest, axis_name)
    unit = _numerics.power_of_two(largest)
    terms = []
    for count in bits:
        unit = unit / 2**count
        term = jnp.round(x / unit) * unit
        terms.append(term)
        x = x - term
    return [*terms, x]

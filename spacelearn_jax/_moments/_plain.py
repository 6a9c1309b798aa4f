"""The moments of one batch from one product of each kind and few passes over it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax._moments import _products
from spacelearn_jax._moments._batch import Rows
from spacelearn_jax._moments._merge import with_mean_along
from spacelearn_jax._moments._sums import Sums, rounded, two_sum

_SAMPLE = 256  # rows
# Rows that are centred, turned and multiplied at once: those stay in the cache meanwhile.
_PART = 1024

_Batch = tuple[jax.Array, dict[str, jax.Array], jax.Array | None]


class _PlainSums(NamedTuple):
    """Sums over rows of latents x, coordinates c = x V and targets y, about any centre."""

    x: jax.Array  # (D,)
    y: dict[str, jax.Array]  # {q: (p_q,)}
    cc: jax.Array  # (D, D)
    cy: dict[str, jax.Array]  # {q: (D, p_q)}
    yy: dict[str, jax.Array]  # {q: (p_q, p_q)}
    third: jax.Array  # (D,), of |c|^2 c
    fourth: jax.Array  # (), of |c|^4


def of_plain_batch(
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: jax.Array | None,
    dtype: jnp.dtype,
    *,
    V: jax.Array | None,
    fourth: bool,
    in_parts: bool,
) -> tuple[Sums, jax.Array]:
    """Returns moments as pairs, detached, and the most that their sums were larger, a ratio.

    Those have plain digits. Rows are centred by the mean of some of them, and what that
    leaves of the mean of all, d, is taken off the products, n d d^T. It is small where a
    sample tells the mean, and where it is not, n d^2 over the sum that is left, at most, says
    how many digits are lost. The first row has to be valid. Latents are coordinates z V
    (B, D) where there is a ``V`` (D, D). ``fourth`` adds sums of powers of their lengths.
    ``in_parts`` works on some rows after the other, which all have to be on one device.
    """
    Z = lax.stop_gradient(Z).astype(dtype)
    Y = {q: _numerics.flatten(lax.stop_gradient(y), dtype) for q, y in Y.items()}
    n = Rows(where, None, Z, None).n
    some = slice(None, None, -(-len(Z) // _SAMPLE))
    sample = Rows(None if where is None else where[some], None, Z[some], None)

    def centre(x: jax.Array) -> jax.Array:
        # From the first row on, so that nothing is left of a column that is constant.
        return x[0] + sample.mean(_numerics.zero_masked(x[some] - x[:1], sample.mask))

    z_rough, y_rough = centre(Z), {q: centre(y) for q, y in Y.items()}

    def sums_of(batch: _Batch) -> _PlainSums:
        Z, Y, where = batch
        x = _numerics.zero_masked(Z - z_rough[None], where)
        c = x if V is None else _numerics.matmul(x, V)
        yc = {q: _numerics.zero_masked(y - y_rough[q][None], where) for q, y in Y.items()}
        square = jnp.sum(jnp.square(c), axis=1, keepdims=True)
        return _PlainSums(
            jnp.sum(x, axis=0),
            {q: jnp.sum(y, axis=0) for q, y in yc.items()},
            _numerics.cross(c, c, None),
            {q: _numerics.cross(c, y, None) for q, y in yc.items()},
            {q: _numerics.gram(y, y, None) for q, y in yc.items()},
            _numerics.gram(c, square, None)[:, 0] if fourth else jnp.zeros_like(x[0]),
            jnp.sum(jnp.square(square)) if fourth else jnp.zeros((), dtype),
        )

    sums = _added(sums_of, (Z, Y, where)) if in_parts else sums_of((Z, Y, where))

    def mean(total: jax.Array) -> jax.Array:
        return rounded(_numerics.safe_divide(total, n))

    def moved(S: jax.Array, dx: jax.Array, dy: jax.Array) -> jax.Array:
        return rounded(S - n * jnp.outer(dx, dy))

    def larger(S: jax.Array, d: jax.Array) -> jax.Array:
        return jnp.max(_numerics.safe_divide(n * jnp.square(d), jnp.abs(jnp.diagonal(S))))

    dz, dy = mean(sums.x), {q: mean(total) for q, total in sums.y.items()}
    d = dz if V is None else _numerics.matmul(dz, V)
    z_mean, z_low = two_sum(z_rough, dz)
    y_mean, y_low = {}, {}
    for q, rough in y_rough.items():
        y_mean[q], y_low[q] = two_sum(rough, dy[q])
    Szz = moved(sums.cc, d, d)
    Szy = {q: moved(S, d, dy[q]) for q, S in sums.cy.items()}
    Syy = {q: moved(S, dy[q], dy[q]) for q, S in sums.yy.items()}
    ratios = [larger(Szz, d), *(larger(S, dy[q]) for q, S in Syy.items())]
    batch = Sums({"": n}, {"": z_mean}, {"": Szz}, y_mean, Szy, Syy)
    if fourth:
        # |c - d|^2 = |c|^2 - 2 c d + |d|^2, multiplied out.
        dd, trace = jnp.sum(jnp.square(d)), jnp.trace(sums.cc)
        Sd = _numerics.matmul(sums.cc, d)
        third = sums.third - 2 * Sd + (2 * n * dd - trace) * d
        rest = jnp.sum(4 * d * (Sd - sums.third)) + 2 * dd * trace - 3 * n * jnp.square(dd)
        batch = batch._replace(third={"": third}, fourth={"": sums.fourth + rest})
    low = jax.tree.map(jnp.zeros_like, batch)
    batch = batch._replace(low=low._replace(z_mean={"": z_low}, y_mean=y_low))
    batch = batch if V is None else with_mean_along(batch, V)
    return batch, jnp.max(jnp.stack(ratios))


def _added(sums_of: Callable[[_Batch], _PlainSums], batch: _Batch) -> _PlainSums:
    """Adds the sums of parts of the rows."""
    n = len(batch[0])
    parts = -(-n // _PART)
    if parts == 1:
        return sums_of(batch)
    size = -(-n // parts)

    def step(i: jax.Array, pair: tuple[_PlainSums, _PlainSums]) -> tuple[_PlainSums, _PlainSums]:
        # The last part starts early, to be as long as the others, and leaves out what it has
        # in common with the one before.
        start = jnp.minimum(i * size, n - size)
        Z, Y, where = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, start, size), batch)
        new = start + jnp.arange(size) >= i * size
        found = sums_of((Z, Y, new if where is None else new & where))
        high, low = pair
        if n <= _products.MANY_ROWS:
            return jax.tree.map(jnp.add, high, found), low
        # Of many parts, what rounding takes adds up.
        both = jax.tree.map(lambda total, x: two_sum(total, rounded(x)), high, found)
        high, lost = jax.tree.transpose(jax.tree.structure(high), None, both)
        return high, jax.tree.map(jnp.add, low, lost)

    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(sums_of, batch))
    return jax.tree.map(jnp.add, *lax.fori_loop(0, parts, step, (zero, zero)))

"""Moments of parts made into those of the whole."""

from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax._moments import _products
from spacelearn_jax._moments._products import Pair
from spacelearn_jax._moments._sums import (
    ADDITIVE,
    Sums,
    accumulated,
    rounded,
    two_product,
    two_sum,
)

# By how much the mean of a part lies off that of the whole. As pairs: what a single number
# lacks of a large shift points in any direction, and along a weak one latents may be no larger
# than that.
Shift = dict[str, Pair]
Added = dict[str, dict[str, list[jax.Array]]]  # terms by field and name
_MEANS = ("z_mean", "y_mean")


def merge(a: Sums, b: Sums) -> Sums:
    """Returns the moments of both together.

    Reference:
        Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing
        sample variances, 1979.
    """
    n = {g: a.n[g] + b.n[g] for g in a.n}
    of_a = {g: _numerics.safe_divide(a.n[g], n[g]) for g in n}
    of_b = {g: _numerics.safe_divide(b.n[g], n[g]) for g in n}
    merged: dict[str, Any] = {}
    low: dict[str, Any] = {}
    between: dict[str, Shift] = {}
    for field in _MEANS:
        merged[field], low[field], between[field] = {}, {}, {}
        low_a, low_b = _low(a, field), _low(b, field)
        for name, x in getattr(a, field).items():
            y = getattr(b, field)[name]
            g = name if field == "z_mean" else a.group(name)
            way = _less(Pair(y, low_b.get(name)), Pair(x, low_a.get(name)))
            between[field][name] = way
            # From the heavier one it is shorter, and from the only one there is none.
            heavier = a.n[g] >= b.n[g]
            step = _products.scaled(way, jnp.where(heavier, of_b[g], -of_a[g]))
            rest = None
            if step.low is not None:
                rest = jnp.where(heavier, low_a[name], low_b[name]) + step.low
            mean, rest = accumulated(rest, jnp.where(heavier, x, y), step.high)
            merged[field][name] = mean
            if rest is not None:
                low[field][name] = rest
    # Both are moved to the mean of all: n_a (n_b / n)^2 + n_b (n_a / n)^2 = n_a n_b / n.
    added = [_moved_products(a, {g: of_a[g] * of_b[g] * n[g] for g in n}, between)]
    dz = between["z_mean"]
    added.append(_moved_lengths(a, {g: -of_b[g] * d.high for g, d in dz.items()}))
    added.append(_moved_lengths(b, {g: of_a[g] * d.high for g, d in dz.items()}))
    for field, values in a.fields().items():
        merged[field], low[field] = {}, {}
        low_a, low_b = _low(a, field), _low(b, field)
        for name, x in values.items():
            rest = low_a[name] + low_b[name] if low_a else None
            terms = [getattr(b, field)[name], *_terms(added, field, name)]
            merged[field][name], rest = accumulated(rest, x, *terms)
            if rest is not None:
                low[field][name] = rest
    return Sums(**merged, low=None if a.low is None else Sums(**low))


def decayed(m: Sums, decay: jax.Array | float, batch: Sums) -> Sums:
    """Returns moments in which every sample counts ``decay`` times as much.

    A batch without rows of a group leaves it as it is: what nothing replaces must not
    fade away, at once with a decay of 0 and by underflow with any other.
    """
    factor = {g: jnp.where(batch.n[g] > 0, decay, 1).astype(x.dtype) for g, x in m.n.items()}

    # What counts nothing is as good as never seen, also where it is NaN.
    def seen(fields: Sums) -> Sums:
        kept: dict[str, Any] = {
            field: {q: jnp.where(factor[m.group(q)] == 0, 0, x) for q, x in each.items()}
            for field, each in fields.fields((*ADDITIVE, *_MEANS)).items()
        }
        return fields._replace(**kept)

    m = seen(m)._replace(low=None if m.low is None else seen(m.low))
    faded: dict[str, Any] = {}
    low: dict[str, Any] = {}
    for field, values in m.fields().items():
        by = {q: factor[m.group(q)] for q in values}
        if m.low is None:
            faded[field] = {q: by[q] * x for q, x in values.items()}
            continue
        pairs = {q: two_product(by[q], x) for q, x in values.items()}
        faded[field] = {q: pair[0] for q, pair in pairs.items()}
        rest = _low(m, field)
        low[field] = {q: pair[1] + by[q] * rest[q] for q, pair in pairs.items()}
    return m._replace(**faded, low=None if m.low is None else m.low._replace(**low))


def with_mean_along(m: Sums, V: jax.Array) -> Sums:
    """Returns pairs with the mean of coordinates z V in place of that of latents."""
    assert m.low is not None  # the caller has seen to it
    high, low = {}, {}
    for g, x in m.z_mean.items():
        mean = _products.times(V, Pair(x[:, None], m.low.z_mean[g][:, None]))
        high[g], low[g] = jax.tree.map(lambda x: x[:, 0], tuple(mean))
    return m._replace(z_mean=high, low=m.low._replace(z_mean=low))


def over_devices(m: Sums, axis_name: Hashable) -> Sums:
    """Returns the moments of the rows of all devices, on each of them."""
    n = {g: lax.psum(x, axis_name) for g, x in m.n.items()}
    means: dict[str, Any] = {}
    rests: dict[str, Any] = {}
    shift: dict[str, Shift] = {}
    for field in _MEANS:
        means[field], rests[field], shift[field] = {}, {}, {}
        low = _low(m, field)
        for name, x in getattr(m, field).items():
            g = name if field == "z_mean" else m.group(name)
            # Twice, as in a batch: the sum of large means has lost what tells them apart.
            zero = jnp.zeros(x.shape, x.dtype)  # and not of x, which differs between devices
            away, mean = Pair(x, low.get(name)), Pair(zero, zero)
            for _ in range(2):
                step = rounded(_numerics.safe_divide(lax.psum(m.n[g] * away.high, axis_name), n[g]))
                away = _less(away, Pair(step, zero if low else None))
                mean = _products.plus(mean, step)
            means[field][name], rests[field][name] = mean
            shift[field][name] = away
    lengths = {g: d.high for g, d in shift["z_mean"].items()}
    added = [_moved_products(m, m.n, shift), _moved_lengths(m, lengths)]
    sums: dict[str, Any] = {}
    for field, values in m.fields().items():
        low = _low(m, field)
        sums[field], rests[field] = {}, {}
        for name, x in values.items():
            own = Pair(x, low.get(name))
            for term in _terms(added, field, name):
                own = _products.plus(own, term)
            sums[field][name], rests[field][name] = _products.over_devices(own, axis_name)
    return Sums(**sums, **means, low=None if m.low is None else Sums(**rests))


def _less(x: Pair, y: Pair) -> Pair:
    """Returns x - y to full relative precision where they nearly cancel."""
    if x.low is None or y.low is None:
        return Pair(x.high - y.high, None)
    d, rest = two_sum(x.high, -y.high)
    return Pair(*two_sum(d, rest + (x.low - y.low)))


def _low(m: Sums, field: str) -> dict[str, jax.Array]:
    return {} if m.low is None else getattr(m.low, field)


def _terms(added: list[Added], field: str, name: str) -> list[jax.Array]:
    return [term for each in added for term in each.get(field, {}).get(name, [])]


def _moved_products(m: Sums, n: Mapping[str, jax.Array], shift: dict[str, Shift]) -> Added:
    """Returns what sums of products gain where ``n`` rows are farther from the centre.

    Each is the sum of some terms that can be added without another rounding.
    """
    dz, dy = shift["z_mean"], shift["y_mean"]

    def outer(g: str, x: Pair, y: Pair) -> list[jax.Array]:
        if x.low is None or y.low is None:
            return [n[g] * jnp.outer(x.high, y.high)]
        nx = _products.scaled(x, n[g])
        assert nx.low is not None  # as that of x
        product, rest = two_product(nx.high[:, None], y.high[None])
        rest += jnp.outer(nx.low, y.high) + jnp.outer(nx.high, y.low)
        return [product, rounded(rest)]

    added = {
        "Szz": {g: outer(g, dz[g], dz[g]) for g in m.Szz},
        "Szy": {q: outer(m.group(q), dz[m.group(q)], dy[q]) for q in m.Szy},
    }
    if m.Syy is not None:
        added["Syy"] = {q: outer(m.group(q), dy[q], dy[q]) for q in m.Syy}
    return added


def _moved_lengths(m: Sums, shift: Mapping[str, jax.Array]) -> Added:
    """Returns what sums of powers of lengths gain where latents are farther from the centre."""
    if m.third is None or m.fourth is None:
        return {}
    added: Added = {"third": {}, "fourth": {}}
    for g, S in m.Szz.items():
        d, n = shift[g], m.n[g]
        # |z + d|^2 = |z|^2 + 2 z d + |d|^2, multiplied out; sums of z alone are 0.
        Sd = _numerics.matmul(S, d)
        dd, trace = jnp.sum(jnp.square(d)), jnp.trace(S)
        added["third"][g] = [rounded((trace + n * dd) * d + 2 * Sd)]
        across = jnp.sum(d * (4 * m.third[g] + 4 * Sd))
        added["fourth"][g] = [rounded(across + 2 * dd * trace + n * jnp.square(dd))]
    return added

"""The moments of one batch."""

from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax._moments import _products
from spacelearn_jax._moments._sums import Sums, rounded, two_sum


def of_batch(
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: _numerics.Where,
    axis_name: Hashable | None,
    dtype: jnp.dtype,
    *,
    missing: bool,
    weights: jax.Array | None = None,
    targets: bool = False,
    fourth: bool = False,
    compensated: bool = False,
    V: jax.Array | None = None,
) -> Sums:
    """Returns the moments of one batch, detached.

    ``weights`` (B,) count rows more or less often; ``targets`` and ``fourth`` add the
    fields that the functions which solve can do without. ``compensated`` ones are pairs
    with more digits than float32 has. Those of latents are of coordinates z V (B, D) where
    there is a ``V`` (D, D).
    """
    Z = lax.stop_gradient(Z).astype(dtype)
    if weights is not None:
        weights = lax.stop_gradient(weights).astype(dtype)
        # There is no such row: NaN shows it, also where nothing can be raised.
        weights = jnp.where(weights < 0, jnp.nan, weights)
    extra: list[Any] = [{} if kept else None for kept in (targets, fourth, fourth)]
    hi = Sums({}, {}, {}, {}, {}, *extra)
    low_z, low_y, low_zz, low_zy, low_yy = {}, {}, {}, {}, {}
    rows: dict[str, Rows] = {}
    Zc: dict[str, jax.Array] = {}
    for group in ["", *Y] if missing else [""]:
        mask = _numerics.rows_of(where, group) if group else _numerics.any_rows(where)
        own = rows[group] = Rows(mask, weights, Z, axis_name)
        hi.n[group] = own.n
        x, hi.z_mean[group], low_z[group] = own.centred(Z)
        if group or not missing:
            if V is not None:
                x = _numerics.matmul(x, V)
            Zc[group] = x
            weighted = own.weigh(x)
            if compensated:
                hi.Szz[group], low_zz[group] = _products.over_rows(weighted, x, axis_name)
            else:
                hi.Szz[group] = _numerics.gram(weighted, x, axis_name)
            if hi.third is not None and hi.fourth is not None:
                square = jnp.sum(jnp.square(x), axis=1)
                hi.third[group] = _numerics.gram(weighted, square[:, None], axis_name)[:, 0]
                hi.fourth[group] = own.total(jnp.square(square))
    for q, y in Y.items():
        group = q if missing else ""
        flat = _numerics.flatten(lax.stop_gradient(y), dtype)
        yc, hi.y_mean[q], low_y[q] = rows[group].centred(flat)
        weighted = rows[group].weigh(yc)
        if compensated:
            hi.Szy[q], low_zy[q] = _products.over_rows(Zc[group], weighted, axis_name)
        else:
            hi.Szy[q] = _numerics.cross(Zc[group], weighted, axis_name)
        if hi.Syy is None:
            continue
        if compensated and len(y) > _products.MANY_ROWS:
            # Nothing inverts it, but one long sum loses digits of its own.
            hi.Syy[q], low_yy[q] = _products.over_rows(weighted, yc, axis_name)
        else:
            hi.Syy[q] = _numerics.gram(weighted, yc, axis_name)
    if not compensated:
        return hi
    low = jax.tree.map(jnp.zeros_like, hi)
    if low.Syy is not None:
        low.Syy.update(low_yy)
    return hi._replace(low=low._replace(z_mean=low_z, y_mean=low_y, Szz=low_zz, Szy=low_zy))


class Rows:
    """Which rows count, and how much."""

    def __init__(
        self,
        mask: jax.Array | None,
        weights: jax.Array | None,
        like: jax.Array,
        axis_name: Hashable | None,
    ) -> None:
        self.axis_name = axis_name
        self.weights = weights
        self.mask = mask
        if weights is not None:
            # A row that counts nothing is as good as masked, whatever it holds.
            counts = weights != 0
            self.mask = counts if mask is None else mask & counts
            self.weights = jnp.where(self.mask, weights, 0)
            self.n = _numerics.total(jnp.sum(self.weights), axis_name)
        elif mask is not None:
            self.n = _numerics.total(jnp.sum(mask, dtype=like.dtype), axis_name)
        else:
            self.n = jnp.asarray(like.shape[0] * _numerics.axis_size(axis_name), like.dtype)

    def weigh(self, x: jax.Array) -> jax.Array:
        """Multiplies rows by their weights."""
        return x if self.weights is None else x * self.weights[:, None]

    def total(self, x: jax.Array) -> jax.Array:
        """Sums one number a row, which is 0 where masked."""
        x = x if self.weights is None else x * self.weights
        return _numerics.total(jnp.sum(x), self.axis_name)

    def centred(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns centred rows, and the mean as a rounded value and the rest of it.

        Far from 0 the first mean is off by many roundings; what is left of it in the
        shifted rows is small, and so is its own error.
        """
        x = _numerics.zero_masked(x, self.mask)
        rough = self.mean(x)
        x = _numerics.zero_masked(x - rough[None], self.mask)
        rest = self.mean(x)
        mean, low = two_sum(rough, rest)
        return _numerics.zero_masked(x - rest[None], self.mask), mean, low

    def mean(self, x: jax.Array) -> jax.Array:
        """Returns the mean of rows that are 0 where masked."""
        sums = _numerics.total(jnp.sum(self.weigh(x), axis=0), self.axis_name)
        return rounded(_numerics.safe_divide(sums, self.n))

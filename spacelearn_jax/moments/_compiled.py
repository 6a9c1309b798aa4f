"""The programs behind the methods of moments."""

from collections.abc import Hashable

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _moments, _numerics
from spacelearn_jax._compile import compiled


@compiled(static=("targets", "axis_name"))
def from_batch(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    weights: jax.Array | None,
    *,
    targets: bool,
    axis_name: Hashable | None,
) -> _moments.Sums:
    dtype = _numerics.compute_dtype(Z, *Y.values())
    return _moments.of_batch(
        Z,
        Y,
        where,
        axis_name,
        dtype,
        missing=isinstance(where, dict),
        weights=weights,
        targets=targets,
        fourth=True,
        compensated=dtype == jnp.float32,
    )


@compiled(static=("axis_name",))
def update(
    sums: _moments.Sums,
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    weights: jax.Array | None,
    decay: jax.Array | None,
    *,
    axis_name: Hashable | None,
) -> _moments.Sums:
    sums = lax.stop_gradient(sums)
    dtype = sums.n[""].dtype
    batch = _moments.of_batch(
        Z,
        Y,
        where,
        axis_name,
        dtype,
        missing=sums.missing,
        weights=weights,
        targets=sums.Syy is not None,
        fourth=sums.fourth is not None,
        compensated=sums.low is not None,
    )
    if decay is not None:
        factor = lax.stop_gradient(decay).astype(dtype)
        sums = _moments.decayed(sums, factor, batch)
    return _moments.merge(sums, batch)


@compiled()
def merge(a: _moments.Sums, b: _moments.Sums) -> _moments.Sums:
    return _moments.merge(a, b)


@compiled(static=("axis_name",))
def psum(sums: _moments.Sums, *, axis_name: Hashable) -> _moments.Sums:
    return _moments.over_devices(sums, axis_name)


@compiled()
def explained(
    sums: _moments.Sums, W: dict[str, jax.Array], A: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    dtype = _numerics.compute_dtype(sums.z_mean[""], *W.values(), *A.values())
    sums, W, A = jax.tree.map(lambda x: lax.stop_gradient(x).astype(dtype), (sums, W, A))
    return {q: _moments.explained(sums, q, w, A[q]) for q, w in W.items()}

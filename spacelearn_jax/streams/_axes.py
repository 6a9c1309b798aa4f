"""Coordinates in which plain sums of products keep the digits that matter.

Rounding of a sum of products is relative to the sizes of the two columns. Where latents
are nearly multiples of each other, it takes what tells them apart, which solving needs. In
principal axes no two columns are alike, and one product of matrices does what takes two
to three otherwise. Axes need not be exact, for what they were is undone in float64, once;
they have to fit. Rows that vary elsewhere than those before get all products, and as soon
as there are many of them, other axes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from spacelearn_jax import _moments, _numerics
from spacelearn_jax._compile import compiled

# Sums are looked at after so many rows, and whenever there are twice as many. Before, there
# are too few to tell axes by, and a short stream compiles one program and not two.
FIRST_ROWS, ROWS_PER_LATENT = 2**15, 8
# Correlations up to here cost plain sums of products less than a digit.
MOST_CORRELATED = 0.3
# Batches that vary more than this times as much in some coordinate are none that axes fit.
MOST_GROWTH = 10.0
# And of those whose mean some of the rows did not tell, sums would lose digits.
MOST_LARGER = 3.0


class Axes(NamedTuple):
    """The map from latents z to coordinates z V; the latents as they come if there is none."""

    V: jax.Array | None  # (D, D)


def due(before: int, after: int, D: int) -> bool:
    """Tells whether sums are to be looked at, when there are so many rows more."""
    first = max(FIRST_ROWS, ROWS_PER_LATENT * D)
    return (before // first).bit_length() < (after // first).bit_length()


def on_one_device(*batch: Any) -> bool:
    """Tells whether all arrays are on one device, the same."""
    return len({d for x in jax.tree.leaves(batch) for d in x.sharding.device_set}) == 1


@compiled(static=("in_parts",))
def update(
    sums: _moments.Moments,
    axes: Axes,
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: jax.Array | None,
    *,
    in_parts: bool,
) -> _moments.Moments:
    """Adds a batch of latents (B, D) to the moments of their coordinates.

    ``in_parts``, if it is on one device: elsewhere parts would have to be gathered.
    """
    dtype = sums.n[""].dtype
    fourth = sums.fourth is not None
    plain, larger = _moments.of_plain_batch(
        Z, Y, where, dtype, V=axes.V, fourth=fourth, in_parts=in_parts
    )

    def exact() -> _moments.Moments:
        batch = _moments.of_batch(
            Z,
            Y,
            where,
            None,
            dtype,
            missing=False,
            targets=True,
            fourth=fourth,
            compensated=True,
            V=axes.V,
        )
        return batch if axes.V is None else _moments.with_mean_along(batch, axes.V)

    alike = jnp.all(_variances(plain) <= MOST_GROWTH * _variances(sums))
    fits = alike & (_most_correlated(sums) <= MOST_CORRELATED) & (larger <= MOST_LARGER)
    return _moments.merge(sums, lax.cond(fits, lambda: plain, exact))


def looked_at(sums: _moments.Moments, axes: Axes | None) -> tuple[_moments.Moments, Axes]:
    """Returns moments of coordinates that suit them: the same ones while they do."""
    if not _most_correlated(sums) > MOST_CORRELATED:  # with NaN there is nothing to save
        return sums, Axes(None) if axes is None else axes
    own = own_coordinates(sums, axes)
    V = np.linalg.eigh(_wide(own, "Szz", "")).eigenvectors.astype(np.float32)
    return _mapped(own, V.astype(np.float64)), Axes(jnp.asarray(V))


def own_coordinates(sums: _moments.Moments, axes: Axes | None) -> _moments.Moments:
    """Returns the moments of the latents themselves."""
    if axes is None or axes.V is None:
        return sums
    return _mapped(sums, np.linalg.inv(np.asarray(axes.V, np.float64)))


def _variances(sums: _moments.Moments) -> jax.Array:
    return _numerics.safe_divide(jnp.diagonal(sums.Szz[""]), sums.n[""])


def _most_correlated(sums: _moments.Moments) -> jax.Array:
    """Returns the largest correlation of two coordinates."""
    S = sums.Szz[""]
    size = _numerics.safe_sqrt(jnp.diagonal(S))
    correlation = _numerics.safe_divide(S, size[:, None] * size[None])
    return jnp.max(jnp.abs(correlation - jnp.diag(jnp.diagonal(correlation))))


def _mapped(sums: _moments.Moments, T: np.ndarray) -> _moments.Moments:
    """Returns the moments of z T, where T is a rotation but for rounding."""
    S = (_wide(sums, "Szz", "") @ T).T @ T
    new = {
        "z_mean": {"": _wide(sums, "z_mean", "") @ T},
        "Szz": {"": (S + S.T) / 2},
        "Szy": {q: T.T @ _wide(sums, "Szy", q) for q in sums.Szy},
    }
    if sums.third is not None:
        new["third"] = {"": _wide(sums, "third", "") @ T}  # lengths stay what they are
    assert sums.low is not None  # the caller has seen to it
    high = jax.tree.map(np.float32, new)
    low = jax.tree.map(lambda x, y: jnp.asarray(np.float32(x - y)), new, high)
    return sums._replace(**jax.tree.map(jnp.asarray, high), low=sums.low._replace(**low))


def _wide(sums: _moments.Moments, field: str, name: str) -> np.ndarray:
    """Returns a pair of float32 arrays as one of float64."""
    high, low = (np.asarray(getattr(part, field)[name], np.float64) for part in (sums, sums.low))
    return high + low

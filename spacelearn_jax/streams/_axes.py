"""Coordinates in which plain sums of products keep the digits that matter.

Rounding of a sum of products is relative to the sizes of the two columns. Where latents
are nearly multiples of each other, it takes what tells them apart, which solving needs. In
principal axes no two columns are alike, and one product of matrices does what takes two
to three otherwise. Axes need not be exact, because the rotation is undone in float64, once;
they only have to suit the data. Rows that vary elsewhere than those before get all
products, and as soon as there are many of them, other axes.

Sums are looked at now and then. They only grow, in every direction: if no direction was much
shorter than its coordinates allow at one look, and no later batch is much longer in any
coordinate, then none is before the next look either.
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
# Where no eigenvalue of the correlations is less, plain sums of products cost less than a
# digit. That of eight independent rows a latent is larger. Correlations of pairs don't tell:
# one of many latents that is the sum of the others has but small ones.
LEAST_EIGENVALUE = 0.25
# Batches that vary more than this times as much in some coordinate are none that axes fit.
MOST_GROWTH = 10.0
# And of those whose mean some of the rows did not tell, sums would lose digits.
MOST_LARGER = 3.0


class Axes(NamedTuple):
    """The map from latents z to coordinates z V; the latents as they come if there is none."""

    V: jax.Array | None  # (D, D)
    variances: jax.Array  # (D,), of the coordinates, when they were looked at


def due(before: int, after: int, D: int) -> bool:
    """Tells whether sums are to be looked at, when there are so many rows more."""
    first = max(FIRST_ROWS, ROWS_PER_LATENT * D)
    return (before // first).bit_length() < (after // first).bit_length()


def on_one_device(*batch: Any) -> bool:
    """Tells whether all arrays are on one device, the same."""
    return len({d for x in jax.tree.leaves(batch) for d in x.sharding.device_set}) == 1


@compiled(static=("in_parts",))
def update(
    sums: _moments.Sums,
    axes: Axes,
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: jax.Array | None,
    *,
    in_parts: bool,
) -> _moments.Sums:
    """Adds a batch of latents (B, D) to the moments of their coordinates.

    ``in_parts``, if it is on one device: elsewhere parts would have to be gathered.
    """
    dtype = sums.n[""].dtype
    fourth = sums.fourth is not None
    plain, larger = _moments.of_plain_batch(
        Z, Y, where, dtype, V=axes.V, fourth=fourth, in_parts=in_parts
    )

    def exact() -> _moments.Sums:
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

    variances = _numerics.safe_divide(jnp.diagonal(plain.Szz[""]), plain.n[""])
    alike = jnp.all(variances <= MOST_GROWTH * axes.variances)
    fits = alike & (larger <= MOST_LARGER)
    return _moments.merge(sums, lax.cond(fits, lambda: plain, exact))


def looked_at(sums: _moments.Sums, axes: Axes | None) -> tuple[_moments.Sums, Axes]:
    """Returns moments of coordinates that suit them: the same ones while they do."""
    S, V = _wide(sums, "Szz", ""), None if axes is None else axes.V
    if np.isfinite(S).all() and not _well_conditioned(S):  # with NaN there is nothing to save
        own = own_coordinates(sums, axes)
        V = jnp.asarray(np.linalg.eigh(_wide(own, "Szz", "")).eigenvectors, jnp.float32)
        sums = _mapped(own, np.asarray(V, np.float64))
    return sums, of_sums(sums, V)


def of_sums(sums: _moments.Sums, V: jax.Array | None) -> Axes:
    """Returns these axes, about which sums are, with the variances that they have."""
    variances = np.diagonal(_wide(sums, "Szz", "")) / _wide(sums, "n", "")
    # A variance of 0 comes out as a rounding error, which is less.
    variances = np.maximum(variances, _moments.PAIR_EPS * np.max(variances))
    return Axes(V, jnp.asarray(variances, jnp.float32))


def own_coordinates(sums: _moments.Sums, axes: Axes | None) -> _moments.Sums:
    """Returns the moments of the latents themselves."""
    if axes is None or axes.V is None:
        return sums
    return _mapped(sums, np.linalg.inv(np.asarray(axes.V, np.float64)))


def _well_conditioned(S: np.ndarray) -> bool:
    """Tells whether no eigenvalue of the correlations is small, by a factorization."""
    squares = np.diagonal(S)
    none = squares <= _moments.PAIR_EPS * np.max(squares)
    size = np.sqrt(np.where(none, 1, squares))
    correlation = np.where(none | none[:, None], np.diag(none), S / size[:, None] / size)
    try:
        np.linalg.cholesky(correlation - LEAST_EIGENVALUE * np.eye(len(S)))
    except np.linalg.LinAlgError:
        return False
    return True


def _mapped(sums: _moments.Sums, T: np.ndarray) -> _moments.Sums:
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


def _wide(sums: _moments.Sums, field: str, name: str) -> np.ndarray:
    """Returns a pair of float32 arrays as one of float64."""
    high, low = (np.asarray(getattr(part, field)[name], np.float64) for part in (sums, sums.low))
    return high + low

"""Bins and subspace dimensions of all quantities in one call."""

from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax.data._pool import MODES, check_field, pool
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim import _bins, _k, _modes


def solve_dims(
    Y: Mapping[str, ArrayLike] | Moments,
    max_bins: int,
    bin_thresholds: float | Mapping[str, float],
    k_thresholds: float | Mapping[str, float],
    *,
    bin_default_threshold: float | None = None,
    k_default_threshold: float | None = None,
    pooling_mode: str = "avg",
    pool_per_quantity: bool = False,
    k_per_quantity: bool = False,
    spatial_ndim: int | str = 2,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> dict[str, tuple[int, int]]:
    """Sizes pooling and subspaces: bins by ``optimal_bins``, then k of the pooled fields.

    For fields and sequences: two-dimensional targets are sequences here, one-hot classes
    too. Size classes, vectors and scalars by ``k_per_q``.

    Under tracing, where the number of bins is no Python int, every candidate grid is
    compiled and one is run.

    Args:
        Y: Fields ``{q: (B, S), (B, C, H, W) or (B, C, D, H, W)}``; or the ``Moments`` of
            such fields, whose averages over bins have moments that follow.
        max_bins: Largest number of bins along an axis, at least 2.
        bin_thresholds: Fraction of variance in (0, 1] that sets the bins, for all or
            ``{q: fraction}``.
        k_thresholds: Fraction of the pooled variance that sets k, likewise.
        bin_default_threshold: Fraction for names that ``bin_thresholds`` lacks, 0.95 if
            not given.
        k_default_threshold: Fraction for names that ``k_thresholds`` lacks, 0.90 if not
            given.
        pooling_mode: ``"avg"``, ``"mean"`` or ``"max"``.
        pool_per_quantity: Whether each quantity has its own bins, or all the largest.
        k_per_quantity: Whether each quantity has its own k, or all the largest.
        spatial_ndim: See ``optimal_bins``.
        where: Valid rows (B,) bool, or ``{q: (B,)}`` where samples lack quantities; the
            others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"``, or a ``linalg.LowRank`` of a rank that
            reaches the thresholds.

    Returns:
        ``{q: (n_bins, k)}`` as Python ints; under tracing as int32 arrays, 0 for a
        target that is not finite and -1 for a low rank that is too low.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If ``B < 2``, of all rows or of those that ``where`` leaves, ``Y`` is
            empty, not finite or not a field, ``max_bins < 2``, a threshold lies outside
            (0, 1] or names an unknown quantity, or an option is unknown.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0.0, 6.28, 64)
        >>> solve_dims({"wave": np.sin(t[:, None] + t[None])}, 8, 0.95, 0.9)
        {'wave': (2, 1)}
    """
    function = "solve_dims"
    y, mask = _modes.check_targets(function, Y, where, axis_name)
    _bins.require_space(function, y)
    for q, field in y.items():
        check_field(function, _checks.entry("Y", q), field)
    most = _checks.integer(function, "max_bins", max_bins, minimum=_bins.LEAST_BINS)
    bin_etas = _modes.resolve_thresholds(
        function,
        "bin_thresholds",
        bin_thresholds,
        bin_default_threshold,
        "bin_default_threshold",
        y,
        _bins.DEFAULT_THRESHOLD,
    )
    k_etas = _modes.resolve_thresholds(
        function,
        "k_thresholds",
        k_thresholds,
        k_default_threshold,
        "k_default_threshold",
        y,
        _k.DEFAULT_THRESHOLD,
    )
    mode = _checks.choice(function, "pooling_mode", pooling_mode, MODES)
    if isinstance(Y, Moments) and mode == "max":
        raise _checks.failure(
            ValueError,
            function,
            "pooling_mode",
            "'avg' for moments",
            "'max'",
            "Maxima don't follow from moments: pass the fields.",
        )
    own_bins = _checks.flag(function, "pool_per_quantity", pool_per_quantity)
    own_k = _checks.flag(function, "k_per_quantity", k_per_quantity)
    ndims = _bins.spatial_ndims(function, spatial_ndim, y)
    solver = check_solver(function, solver)

    def count(fields: dict[str, jax.Array], etas: dict[str, float]) -> dict[str, jax.Array]:
        return _modes.mode_counts(
            function, Y, fields, etas, mask, solver=solver, axis_name=axis_name
        )

    counts = count(y, bin_etas)
    bins = {q: _bins.bins_for(modes, ndims[q], most) for q, modes in counts.items()}
    if not own_bins:
        bins = dict.fromkeys(bins, _modes.largest(bins))

    def k_at(q: str, n: int) -> jax.Array:
        pooled = pool(y[q], n, mode)
        if isinstance(Y, Moments):  # the mean is linear: over both axes of the products
            pooled = pool(jnp.moveaxis(pooled, 0, -1).reshape(-1, *y[q].shape[1:]), n, mode)
        return count({q: pooled}, k_etas)[q]

    ks = {}
    for q, n in bins.items():
        if isinstance(n, jax.core.Tracer):
            sides = range(_bins.LEAST_BINS, most + 1)
            branches = [lambda q=q, side=side: k_at(q, side) for side in sides]
            ks[q] = lax.switch(n - _bins.LEAST_BINS, branches)
        else:
            ks[q] = k_at(q, int(n))
    if not own_k:
        ks = dict.fromkeys(ks, _modes.largest(ks))
    if any(isinstance(k, jax.core.Tracer) for k in ks.values()):
        traced: Any = {q: (bins[q], ks[q]) for q in y}
        return traced
    return {q: (int(bins[q]), int(ks[q])) for q in y}

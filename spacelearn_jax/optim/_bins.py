"""How finely targets have to be pooled."""

import math
from collections.abc import Hashable, Mapping
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim import _modes
from spacelearn_jax.optim._k import collect

DEFAULT_THRESHOLD = 0.95
LEAST_BINS = 2
_SPATIAL_NDIM = (1, 2, 3, "auto")


def spatial_ndims(
    function: str, spatial_ndim: int | str, Y: Mapping[str, jax.Array]
) -> dict[str, int]:
    """Resolves the number of spatial axes of every quantity."""
    _checks.choice(function, "spatial_ndim", spatial_ndim, _SPATIAL_NDIM)
    if spatial_ndim == "auto":
        return {q: {4: 2, 5: 3}.get(y.ndim, 1) for q, y in Y.items()}
    return dict.fromkeys(Y, int(spatial_ndim))


def bins_for(modes: jax.Array, ndim: int, max_bins: int) -> jax.Array:
    """Returns ``clip(ceil(modes ** (1 / ndim)), 2, max_bins)`` in exact integers."""
    if ndim == 1:
        n = jnp.minimum(modes, max_bins)
    else:
        # No more sides than a 32-bit count can need: larger powers would wrap around.
        sides = np.arange(1, min(max_bins, math.ceil(2 ** (31 / ndim)))) ** ndim
        n = 1 + jnp.sum(jnp.asarray(sides, jnp.int32) < modes, dtype=jnp.int32)
    return jnp.where(modes > 0, jnp.maximum(n, LEAST_BINS), modes)


def require_space(function: str, Y: Mapping[str, jax.Array]) -> None:
    """Requires targets with something to bin."""
    for q, y in Y.items():
        if y.ndim < 2:
            raise _checks.failure(
                ValueError,
                function,
                _checks.entry("Y", q),
                "a field with spatial axes, (B, S) or more",
                f"shape {y.shape}",
                "A scalar has no bins and k = 1: leave it out here.",
            )


@overload
def optimal_bins(
    Y: Mapping[str, ArrayLike] | Moments,
    max_bins: int = ...,
    variance_threshold: float | Mapping[str, float] = ...,
    *,
    default_threshold: float | None = ...,
    per_quantity: Literal[True],
    spatial_ndim: int | str = ...,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    solver: Solver = ...,
) -> dict[str, int]: ...


@overload
def optimal_bins(
    Y: Mapping[str, ArrayLike] | Moments,
    max_bins: int = ...,
    variance_threshold: float | Mapping[str, float] = ...,
    *,
    default_threshold: float | None = ...,
    per_quantity: Literal[False] = ...,
    spatial_ndim: int | str = ...,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    solver: Solver = ...,
) -> int: ...


def optimal_bins(
    Y: Mapping[str, ArrayLike] | Moments,
    max_bins: int = 16,
    variance_threshold: float | Mapping[str, float] = DEFAULT_THRESHOLD,
    *,
    default_threshold: float | None = None,
    per_quantity: bool = False,
    spatial_ndim: int | str = 2,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> Any:
    """Finds the coarsest pooling whose bins are as many as the modes of a field.

    With n_modes principal components needed for the threshold (see ``k_per_q``),
    ``n = clip(ceil(sqrt(n_modes)), 2, max_bins)``: an n x n grid with a bin a mode. The
    square root is taken for sequences (B, S) too, as in the original; pass
    ``spatial_ndim=1`` to get n = n_modes for them.

    Args:
        Y: Fields ``{q: (B, ...)}``, trailing axes flattened; or their ``Moments``, from
            which all solvers count alike.
        max_bins: Largest n, at least 2.
        variance_threshold: Fraction of variance in (0, 1], for all or ``{q: fraction}``.
        default_threshold: Fraction for names that a mapping lacks, 0.95 if not given.
        per_quantity: Whether to return one n a quantity, or the largest.
        spatial_ndim: Number d of pooled axes, n = ceil(n_modes^(1/d)): 1, 2, 3, or
            ``"auto"`` to read it off the rank as ``pool`` does.
        where: Valid rows (B,) bool, or ``{q: (B,)}`` where samples lack quantities; the
            others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"``, or a ``linalg.LowRank`` of a rank that
            reaches the threshold.

    Returns:
        n or ``{q: n}``, as Python ints; under tracing as int32 arrays, with 0 for a
        target that is not finite and -1 for a low rank that is too low.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If ``B < 2``, of all rows or of those that ``where`` leaves, ``Y`` is
            empty, not finite or without spatial axes, ``max_bins < 2``, a threshold lies
            outside (0, 1] or names an unknown quantity, or an option is unknown.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0.0, 6.28, 64)
        >>> optimal_bins({"wave": np.sin(t[:, None] + t[None])})
        2
    """
    function = "optimal_bins"
    y, mask = _modes.check_targets(function, Y, where, axis_name)
    require_space(function, y)
    most = _checks.integer(function, "max_bins", max_bins, minimum=LEAST_BINS)
    thresholds = _modes.resolve_thresholds(
        function,
        "variance_threshold",
        variance_threshold,
        default_threshold,
        "default_threshold",
        y,
        DEFAULT_THRESHOLD,
    )
    per_quantity = _checks.flag(function, "per_quantity", per_quantity)
    ndims = spatial_ndims(function, spatial_ndim, y)
    solver = check_solver(function, solver)
    counts = _modes.mode_counts(
        function, Y, y, thresholds, mask, solver=solver, axis_name=axis_name
    )
    bins = {q: bins_for(modes, ndims[q], most) for q, modes in counts.items()}
    return collect(bins, per_quantity=per_quantity)

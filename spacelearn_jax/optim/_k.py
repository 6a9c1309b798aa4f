"""How many dimensions each subspace needs."""

from collections.abc import Hashable, Mapping
from typing import Any, Literal, overload

import jax
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim import _modes

DEFAULT_THRESHOLD = 0.90


@overload
def k_per_q(
    Y: Mapping[str, ArrayLike] | Moments,
    threshold: float | Mapping[str, float] = ...,
    *,
    default_threshold: float | None = ...,
    per_quantity: Literal[True] = ...,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    solver: Solver = ...,
) -> dict[str, int]: ...


@overload
def k_per_q(
    Y: Mapping[str, ArrayLike] | Moments,
    threshold: float | Mapping[str, float] = ...,
    *,
    default_threshold: float | None = ...,
    per_quantity: Literal[False],
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    solver: Solver = ...,
) -> int: ...


def k_per_q(
    Y: Mapping[str, ArrayLike] | Moments,
    threshold: float | Mapping[str, float] = DEFAULT_THRESHOLD,
    *,
    default_threshold: float | None = None,
    per_quantity: bool = True,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> Any:
    """Counts the principal components that carry a fraction of each target's variance.

    The smallest k with ``sum_{i<=k} s_i^2 >= threshold * sum_i s_i^2``, s the singular
    values of the centred target: at least 1, at most min(B - 1, p). It does not depend
    on the target's units.

    Args:
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p; or their ``Moments``,
            from which all solvers count alike.
        threshold: Fraction of variance in (0, 1], for all or ``{q: fraction}``; 0.90 if
            not given.
        default_threshold: Fraction for names that a mapping lacks, 0.90 if not given.
        per_quantity: Whether to return one k a quantity, or the largest.
        where: Valid rows (B,) bool, or ``{q: (B,)}`` where samples lack quantities; the
            others are left out.
        axis_name: Mesh axis that ``shard_map`` splits the batch over.
        solver: ``"auto"``, ``"svd"``, ``"eigen"``, or a ``linalg.LowRank`` of a rank that
            reaches the threshold.

    Returns:
        ``{q: k}`` or k, as Python ints; under tracing as int32 arrays, with 0 for a
        target that is not finite and -1 for a low rank that is too low.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If ``B < 2``, of all rows or of those that ``where`` leaves, ``Y`` is
            empty or not finite, a threshold lies outside (0, 1] or names an unknown
            quantity, or the solver doesn't exist.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0.0, 6.28, 64)
        >>> k_per_q({"wave": np.sin(t[:, None] + t[None])}, 0.99)
        {'wave': 2}
    """
    function = "k_per_q"
    y, mask = _modes.check_targets(function, Y, where, axis_name)
    thresholds = _modes.resolve_thresholds(
        function,
        "threshold",
        threshold,
        default_threshold,
        "default_threshold",
        y,
        DEFAULT_THRESHOLD,
    )
    per_quantity = _checks.flag(function, "per_quantity", per_quantity)
    solver = check_solver(function, solver)
    counts = _modes.mode_counts(
        function, Y, y, thresholds, mask, solver=solver, axis_name=axis_name
    )
    return collect(counts, per_quantity=per_quantity)


def collect(
    counts: Mapping[str, jax.Array], *, per_quantity: bool
) -> dict[str, int] | int | dict[str, jax.Array] | jax.Array:
    """Returns counts by name or their largest, as ints unless traced."""
    if any(isinstance(c, jax.core.Tracer) for c in counts.values()):
        return dict(counts) if per_quantity else _modes.largest(counts)
    numbers = {q: int(c) for q, c in counts.items()}
    return numbers if per_quantity else max(numbers.values())

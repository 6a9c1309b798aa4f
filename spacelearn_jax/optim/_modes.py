"""How many principal components carry a given fraction of a target's variance."""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg import _factors, _lapack
from spacelearn_jax.linalg._solvers import LowRank, Solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.moments._given import one_set, refuse_others, require_rows


def mode_count(
    y: jax.Array,
    eta: jax.Array,
    where: jax.Array | None,
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> jax.Array:
    """Counts the leading components that reach the fraction ``eta`` of the variance.

    Returns an int32 scalar: at least 1 (a constant target has one mode), at most
    min(B - 1, p), the highest rank that centred data can have. 0 says that the data
    holds NaN or infinities, and -1 that a low-rank spectrum ended before ``eta``.
    """
    y = _numerics.flatten(lax.stop_gradient(y), _numerics.compute_dtype(y))
    yc = _numerics.center(y, where, axis_name)
    X = yc if axis_name is None else _factors.tsqr(yc, axis_name)[1]
    _, s, _ = _factors.factors(X, solver) if solver != "auto" else (None, _exact(X), None)
    # Ratios first: squares of small targets would underflow.
    scale = s[0]
    spectrum = jnp.square(_numerics.safe_divide(s, scale))
    variance = jnp.sum(jnp.square(_numerics.safe_divide(yc, scale)))
    variance = _numerics.total(variance, axis_name)
    explained = jnp.cumsum(spectrum)
    # The exact spectrum is measured against its own sum, so that 1.0 is reached.
    whole = explained[-1]
    if isinstance(solver, LowRank):
        whole = jnp.maximum(whole, variance)
    reached = explained >= eta.astype(s.dtype) * whole
    n = _numerics.count(y, where, axis_name, s.dtype).astype(jnp.int32)
    most = jnp.minimum(jnp.maximum(n - 1, 1), y.shape[1])
    modes = _until(reached, most)
    modes = jnp.where(scale == 0, 1, modes)
    if isinstance(solver, LowRank):
        modes = jnp.where(reached[-1] | (scale == 0), modes, -1)
    return jnp.where(jnp.isfinite(variance), modes, 0)


@compiled()
def _moment_count(S: jax.Array, eta: jax.Array) -> jax.Array:
    """Counts the same from centred products S (p, p).

    How many rows there were is not known: weights and decay change their count.
    """
    S = lax.stop_gradient(S)
    finite = jnp.isfinite(jnp.trace(S))
    scale = jnp.max(jnp.abs(S))
    S = _numerics.infinities_to_nan(_numerics.safe_divide(S, scale))
    spectrum = jnp.maximum(_lapack.eigvalsh(S)[::-1], 0)
    explained = jnp.cumsum(spectrum)
    reached = explained >= eta.astype(S.dtype) * explained[-1]
    # What S rounds adds up to len(S) eps of the largest, in a tail of eigenvalues of up to
    # 3 eps each. Close to a threshold of 1 that would count.
    eps = jnp.finfo(S.dtype).eps
    rank = jnp.sum(spectrum > 4 * eps * spectrum[0], dtype=jnp.int32)
    most = jnp.where(1 - eta < len(S) * eps, jnp.maximum(rank, 1), len(S))
    modes = _until(reached, most)
    return jnp.where(finite, jnp.where(scale == 0, 1, modes), 0)


def _until(reached: jax.Array, most: ArrayLike) -> jax.Array:
    return jnp.clip(jnp.sum(~reached, dtype=jnp.int32) + 1, 1, most)


def _exact(X: jax.Array) -> jax.Array:
    return _lapack.svdvals(_numerics.infinities_to_nan(X))


_mode_count = compiled(static=("solver", "axis_name"))(mode_count)


def _require_count(function: str, name: str, modes: jax.Array, solver: Solver) -> None:
    """Turns the error codes of a concrete count to errors."""
    number = int(modes)
    if number == 0:
        raise _checks.failure(
            ValueError,
            function,
            _checks.entry("Y", name),
            "finite",
            "NaN, an infinity or a variance that overflows",
            "Leave such rows out, or rescale the target.",
        )
    if number < 0:
        raise _checks.failure(
            ValueError,
            function,
            "solver",
            f"of a rank that reaches the threshold for {_checks.entry('Y', name)}",
            repr(solver),
            "Raise the rank, or use an exact solver.",
        )


def _checked(function: str, counts: dict[str, jax.Array], solver: Solver) -> dict[str, jax.Array]:
    """Turns error codes among concrete counts to errors; traced ones pass."""
    if not any(isinstance(c, jax.core.Tracer) for c in counts.values()):
        for q, modes in counts.items():
            _require_count(function, q, modes, solver)
    return counts


def moment_counts(
    function: str,
    S: Mapping[str, jax.Array],
    thresholds: Mapping[str, float],
) -> dict[str, jax.Array]:
    """Counts the modes of every quantity from its centred products."""
    counts = {q: _moment_count(x, jnp.asarray(thresholds[q], x.dtype)) for q, x in S.items()}
    return _checked(function, counts, "auto")


def target_products(
    function: str, Y: Moments, where: object, axis_name: Hashable | None
) -> dict[str, jax.Array]:
    """Returns the centred products of every target."""
    refuse_others(function, where=where)
    m = one_set(function, "Y", Y.sums, targets=True, axis_name=axis_name)
    return dict(m.Syy or {})


def mode_counts(
    function: str,
    Y: Mapping[str, ArrayLike] | Moments,
    fields: Mapping[str, jax.Array],
    thresholds: Mapping[str, float],
    where: _numerics.Where,
    *,
    solver: Solver,
    axis_name: Hashable | None,
) -> dict[str, jax.Array]:
    """Counts the modes of fields from ``check_targets``: checked when concrete, int32 arrays."""
    if isinstance(Y, Moments):
        products = {q: S.reshape(len(S), -1) for q, S in fields.items()}
        return moment_counts(function, products, thresholds)
    counts = {
        q: _mode_count(
            y,
            jnp.asarray(thresholds[q], _numerics.compute_dtype(y)),
            _numerics.rows_of(where, q),
            solver=solver,
            axis_name=axis_name,
        )
        for q, y in fields.items()
    }
    return _checked(function, counts, solver)


def largest(counts: Mapping[str, jax.Array]) -> jax.Array:
    """Returns the largest count, or the error code of any that has failed."""
    stacked = jnp.stack(list(counts.values()))
    least = jnp.min(stacked)
    return jnp.where(least < 1, least, jnp.max(stacked))


def check_targets(
    function: str,
    Y: Mapping[str, ArrayLike] | Moments,
    where: ArrayLike | Mapping[str, ArrayLike] | None,
    axis_name: Hashable | None,
) -> tuple[dict[str, jax.Array], _numerics.Where]:
    """Checks targets and mask, or moments, that a size is estimated from; returns their fields.

    Row i of the products of a field is a field as well: that of the covariances with point i.
    """
    if isinstance(Y, Moments):
        products = target_products(function, Y, where, axis_name)
        require_rows(function, "Y", Y.sums)
        return {q: S.reshape(-1, *Y.target_shapes[q]) for q, S in products.items()}, None
    _checks.axis(function, axis_name)
    y = _checks.targets(function, Y, min_rows=1 if axis_name is not None else 2)
    B = next(iter(y.values())).shape[0]
    mask = _checks.masks(function, where, B, y)
    if axis_name is None:  # a shard may have less
        _require_two_rows(function, mask)
    return y, mask


def _require_two_rows(function: str, where: _numerics.Where) -> None:
    """Requires of a concrete mask what is required of a batch without one."""
    given = where if isinstance(where, dict) else {None: where}
    for q, rows in given.items():
        if rows is None or isinstance(rows, jax.core.Tracer) or not rows.is_fully_addressable:
            continue
        n = int(np.sum(np.asarray(rows)))  # by NumPy: JAX would trace it in a function that is
        if n < 2:
            raise _checks.failure(
                ValueError,
                function,
                "where" if q is None else _checks.entry("where", q),
                "of two valid rows at least",
                f"one of {n}",
                "Mark the rows that are there with True.",
            )


def resolve_thresholds(
    function: str,
    argument: str,
    value: float | Mapping[str, float],
    default: float | None,
    default_argument: str,
    names: Mapping[str, jax.Array],
    otherwise: float,
) -> dict[str, float]:
    """Returns one threshold a quantity; ``default`` serves names a mapping lacks."""
    fallback = otherwise
    if default is not None:
        fallback = _checks.threshold(function, default_argument, default)
    return _checks.per_name(function, argument, value, names, _checks.threshold, fallback)

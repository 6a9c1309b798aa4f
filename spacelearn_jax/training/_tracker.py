"""Subspaces that are tracked, refreshed and aligned inside a jitted train step."""

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _moments, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax._solve import from_moments
from spacelearn_jax._subspaces import check_batch, limits
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.loss._stability import projector_distance
from spacelearn_jax.moments._given import refuse_unnamed
from spacelearn_jax.training._state import TrackerState, check_state, require_state


class _Init(Protocol):
    def __call__(
        self,
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike],
        *,
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        axis_name: Hashable | None = None,
    ) -> TrackerState: ...


class _Update(Protocol):
    def __call__(
        self,
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike],
        state: TrackerState,
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        *,
        axis_name: Hashable | None = None,
    ) -> TrackerState: ...


class SubspaceTracker(NamedTuple):
    """A pair of pure functions, as an Optax transformation is.

    Attributes:
        init: ``init(Z, Y, *, where=None, axis_name=None) -> state``, solved on one batch.
            With ``where={q: (B,)}`` samples may lack quantities, here and later.
        update: ``update(Z, Y, state, where=None, *, axis_name=None) -> state``.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax.training import track_subspaces
        >>> init, update = track_subspaces(2)
        >>> Z = jnp.eye(8)
        >>> Y = {"p": Z[:, :3]}
        >>> int(update(Z, Y, init(Z, Y)).step)
        1
    """

    init: _Init
    update: _Update


@dataclasses.dataclass(frozen=True)
class WhenDrifted:
    """Refresh when the subspaces no longer fit the moments.

    The misfit is 0 for the leading singular subspaces of the tracked cross-covariances C
    and at most 1: the mean over quantities of the larger of two numbers, the sine of the
    angle by which ``C C^T W^T`` leaves the span of W, and the root of the share that
    ``||W C||^2`` would gain from exchanging its weakest direction for one outside W.

    Args:
        threshold: Misfit above which to refresh, in (0, 1].

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is outside (0, 1].

    Example:
        >>> from spacelearn_jax.training import track_subspaces
        >>> tracker = track_subspaces(4, every=WhenDrifted(0.1))
        >>> WhenDrifted(0.1)
        WhenDrifted(threshold=0.1)
    """

    threshold: float

    def __post_init__(self) -> None:
        threshold = _checks.number("WhenDrifted", "threshold", self.threshold)
        if not 0.0 < threshold <= 1.0:
            raise _checks.failure(
                ValueError,
                "WhenDrifted",
                "threshold",
                "in (0, 1]",
                repr(self.threshold),
                "The misfit is 0 for the best subspaces and at most 1.",
            )
        object.__setattr__(self, "threshold", threshold)  # hashable, whatever it was


Every = int | Callable[[jax.Array], ArrayLike] | WhenDrifted


@compiled(static=("sizes", "solver", "axis_name"))
def _init(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    sizes: tuple[int, ...],
    solver: Solver,
    axis_name: Hashable | None,
) -> TrackerState:
    dtype = _numerics.compute_dtype(Z, *Y.values())
    moments = _moments.of_batch(Z, Y, where, axis_name, dtype, missing=isinstance(where, dict))
    shapes = {q: y.shape[1:] for q, y in Y.items()}
    space = from_moments(moments, dict(zip(Y, sizes, strict=True)), shapes, solver, None)
    none, drift = _numerics.varying_like(
        (jnp.zeros((), jnp.int32), jnp.zeros((), dtype)), moments.z_mean[""]
    )
    return TrackerState(
        space=space,
        # Of their own: a buffer that is in a state twice can't be donated.
        W_prev={q: jnp.array(w, copy=True) for q, w in space.W.items()},
        step=none,
        # A batch without valid rows solves nothing: the first one that has some does.
        refreshes=_solvable(moments)[""].astype(jnp.int32),
        drift=drift,
        since=none,
        moments=moments,
    )


@compiled(static=("every", "decay", "align", "solver", "axis_name"))
def _update(
    Z: jax.Array,
    Y: dict[str, jax.Array],
    state: TrackerState,
    where: _numerics.Where,
    *,
    every: Every,
    decay: float,
    align: bool,
    solver: Solver,
    axis_name: Hashable | None,
) -> TrackerState:
    state = lax.stop_gradient(state)
    moments = state.moments
    batch = _moments.of_batch(Z, Y, where, axis_name, state.drift.dtype, missing=moments.missing)
    moments = _moments.merge(_moments.decayed(moments, decay, batch), batch)
    return lax.cond(
        _is_due(every, state, moments),
        lambda: _refreshed(state, moments, align=align, solver=solver),
        lambda: state._replace(step=state.step + 1, since=state.since + 1, moments=moments),
    )


def _is_due(every: Every, state: TrackerState, moments: _moments.Sums) -> jax.Array:
    if isinstance(every, WhenDrifted):
        # A misfit that is no number is not below anything: it shows in the next solve.
        due = ~(_moments.misfit(moments, state.space.W) <= every.threshold)
    else:
        interval = every(state.step) if callable(every) else every
        interval = _checks.scalar("SubspaceTracker.update", "every(step)", interval)
        updates = (state.since + 1).astype(jnp.float32)
        due = ~(updates < interval.astype(jnp.float32))  # at once, if it is no number
    # Before rows were seen there is nothing to solve. What is seen first is solved at once.
    before, now = _solvable(state.moments), _solvable(moments)
    starts = [now[group] & ~before[group] for group in moments.Szz]
    return now[""] & (due | functools.reduce(jnp.logical_or, starts))


def _solvable(moments: _moments.Sums) -> dict[str, jax.Array]:
    """Tells of which groups of quantities there are rows enough to covary."""
    return {group: n > 1 for group, n in moments.n.items()}


def _refreshed(
    state: TrackerState, moments: _moments.Sums, *, align: bool, solver: Solver
) -> TrackerState:
    old = state.space
    k = {q: w.shape[0] for q, w in old.W.items()}
    shapes = dict(old.target_shapes or {})
    space = from_moments(moments, k, shapes, solver, old.W if align else None)
    # A quantity without data has no earlier subspace to have moved from.
    before = _solvable(state.moments)
    W_prev = {q: jnp.where(before[moments.group(q)], old.W[q], w) for q, w in space.W.items()}
    moved = sum(projector_distance(w, W_prev[q]) for q, w in space.W.items())
    return TrackerState(
        space=space,
        W_prev=W_prev,
        step=state.step + 1,
        refreshes=state.refreshes + 1,
        drift=jnp.asarray(moved / len(k), state.drift.dtype),
        since=jnp.zeros_like(state.since),
        moments=moments,
    )


def track_subspaces(
    k: int | Mapping[str, int],
    *,
    every: Every = 100,
    decay: float = 0.99,
    align: bool = True,
    solver: Solver = "auto",
) -> SubspaceTracker:
    """Tracks subspaces through training, without leaving the jitted step.

    Every update folds a batch into exponentially decayed second moments, so that a
    refresh sees far more than one batch, and solves subspaces and decoders from them when
    one is due. A solve that is not due is not run (``lax.cond``; under ``vmap`` that is a
    select, which runs it on every step), and nothing recompiles. Nothing in the state
    carries a gradient. A NaN in a batch stays in the moments for good: leave such rows out
    with ``where=``. In float32, coordinates about a thousand times weaker than a direction
    that all latents share get decoders of 0, as their products have no digits left:
    normalize such latents.

    Under ``shard_map``, pass ``axis_name=`` wherever devices share a state: without it JAX
    reports that branches of a condition differ in type.

    Args:
        k: Dimensions of the subspaces: one for all, capped at min(D, p) of each
            quantity, or ``{q: k_q}``.
        every: Updates between refreshes, a schedule of them by step, or a
            ``WhenDrifted`` threshold.
        decay: Weight that a batch keeps per later update with valid rows, in [0, 1]; 0
            sees the last batch alone, 1 all of them evenly.
        align: Whether a refreshed basis is rotated within its span to the one nearest to
            the old (orthogonal Procrustes), so that no sign flip or rotation reaches a
            loss. Decoders follow.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank`` of rank at
            least k.

    Returns:
        The pair ``(init, update)`` of jitted pure functions over a ``TrackerState``.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If it is out of range; when called, if the batch doesn't fit.

    Example:
        >>> import jax
        >>> tracker = track_subspaces(2, every=10)
        >>> Z = jax.random.normal(jax.random.key(0), (64, 8))
        >>> Y = {"p": Z[:, :3]}
        >>> state = tracker.init(Z, Y)
        >>> state = tracker.update(Z, Y, state)
        >>> int(state.step), state.space.W["p"].shape
        (1, (2, 8))
    """
    function = "track_subspaces"
    k = _checks.mapping(function, "k", k) if isinstance(k, Mapping) else k
    if not isinstance(k, dict):
        _checks.integer(function, "k", k)
    if callable(every) and not isinstance(every, Hashable):
        raise _checks.failure(
            TypeError,
            function,
            "every",
            "a hashable schedule",
            _checks.described(every),
            "Make it a function, or a dataclass with frozen=True.",
        )
    if not isinstance(every, WhenDrifted) and not callable(every):
        every = _checks.integer(function, "every", every)
    decay = _checks.fraction(function, "decay", decay)
    align = _checks.flag(function, "align", align)
    check_solver(function, solver)

    def init(
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike],
        *,
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        axis_name: Hashable | None = None,
    ) -> TrackerState:
        """Solves the first subspaces on one batch."""
        name = "SubspaceTracker.init"
        z, y, mask = check_batch(name, Z, Y, where, axis_name)
        refuse_unnamed(name, y, mask)
        sizes = _checks.sizes(name, k, limits(z, y))
        check_solver(name, solver, needs=max(sizes))
        return _init(z, y, mask, sizes=sizes, solver=solver, axis_name=axis_name)

    def update(
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike],
        state: TrackerState,
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        *,
        axis_name: Hashable | None = None,
    ) -> TrackerState:
        """Folds a batch into the moments, and refreshes the subspaces when due."""
        name = "SubspaceTracker.update"
        require_state(name, state)
        z, y, mask = check_batch(name, Z, Y, where, axis_name)
        check_state(name, state, z, y, mask, k)
        return _update(
            z,
            y,
            state,
            mask,
            every=every,
            decay=decay,
            align=align,
            solver=solver,
            axis_name=axis_name,
        )

    return SubspaceTracker(init, update)


def empty_state(
    tracker: SubspaceTracker,
    D: int,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: Any,
    *,
    missing: bool,
) -> TrackerState:
    """Returns a state before any data, which the first update solves."""
    Z = jax.ShapeDtypeStruct((2, D), dtype)
    Y = {q: jax.ShapeDtypeStruct((2, *shape), dtype) for q, shape in shapes.items()}
    where = {q: jax.ShapeDtypeStruct((2,), jnp.bool_) for q in shapes} if missing else None
    structure = jax.eval_shape(lambda z, y, w: tracker.init(z, y, where=w), Z, Y, where)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), structure)

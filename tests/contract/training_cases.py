"""Cases of objectives, trackers and the keywords that came with them."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from spacelearn_jax import loss, training

#: Public names that compute nothing on arrays of their own, and why.
HOST_ONLY = {
    "Balanced": "made by balance, whose case calls it",
    "Balanced.init": "takes nothing; the case of balance calls it",
    "Balancer": "a pair of functions",
    "Objective": "made by combine, whose case calls it",
    "Objective.terms": "the case of combine calls it",
    "SubspaceVariable": "a type of variable",
    "TrackerState": "a container",
    "WhenDrifted": "a static option; a case of track_subspaces uses it",
    "flax_linen.SubspaceTracker": "the tracker as a module; see tests/flax_modules",
    "flax_nnx.SubspaceTracker": "the tracker as a module; see tests/flax_modules",
    "gradient_norm_balance": "builds a balancer, in float32 by design; see tests/loss",
    "gradient_norms": "differentiates the user's function, in float32 by design; see tests/loss",
    "uncertainty": "builds a balancer; the case of balance calls it",
    "gradnorm": "builds a balancer, in float32 by design; see tests/loss",
    "relobralo": "builds a balancer, in float32 by design; see tests/loss",
    "training.SubspaceTracker": "a pair of functions; the cases of track_subspaces call them",
}


def _kept(state: training.TrackerState) -> Any:
    """Leaves out counters, and the drift, which is but rounding where nothing moved."""
    return state.space, state.W_prev, state.moments


def _started(
    Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None, solver: Any = "auto"
) -> Any:
    tracker = training.track_subspaces(2, solver=solver)
    return _kept(tracker.init(Z, Y, where=where, axis_name=axis_name))


def _updated(
    Z: Any,
    Y: Any,
    *,
    where: Any = None,
    axis_name: Any = None,
    solver: Any = "auto",
    every: Any = 1,
    decay: float = 0.5,
) -> Any:
    tracker = training.track_subspaces(2, every=every, decay=decay, solver=solver)
    state = tracker.init(Z, Y, where=where, axis_name=axis_name)
    return _kept(tracker.update(Z, Y, state, where, axis_name=axis_name))


def _joined_terms(
    Z: Any, W: Any, A: Any, Y: Any, *, where: Any = None, axis_name: Any = None
) -> jax.Array:
    total, _ = _objective()(Z=Z, W=W, A=A, Y=Y, where=where, axis_name=axis_name, step=10)
    return total


def _balanced_terms(
    Z: Any, W: Any, A: Any, Y: Any, *, where: Any = None, axis_name: Any = None
) -> jax.Array:
    balanced = _balanced()
    inputs = {"Z": Z, "W": W, "A": A, "Y": Y, "where": where, "axis_name": axis_name}
    total, _ = balanced(balanced.init(), step=10, **inputs)
    return total


@functools.cache
def _balanced() -> loss.Balanced:
    return loss.balance(_objective(), loss.uncertainty())


def _objective() -> loss.Objective:
    terms = {"fit": loss.alignment_loss, "apart": loss.disentanglement_loss}
    return loss.combine(terms, {"fit": lambda step: 0.1 * step, "apart": 0.5})


def cases(Case: Callable[..., Any], *plain: Any) -> tuple[Any, ...]:  # noqa: N803 - a class
    """Returns the cases; ``plain`` are those of the losses that have a reduction."""
    joined = {"batch": ("Z", "Y"), "calls": None, "exact": None}
    solve = ("Z", "Y_two")
    solved = {"kind": "solved", "batch": solve}
    updated = Case("track_subspaces", _updated, solve, calls=2, label="update", **solved)
    images = {"batch": ("x",), "by_row": True, "calls": 0, "exact": None}
    return (
        *(case.but("unreduced", options={"reduction": "none"}) for case in plain),
        *(
            case.but("weighted sum", options={"reduction": "sum", "weights": {"drag": 0.5}})
            for case in plain
        ),
        Case("combine", _joined_terms, ("Z", "W", "A", "Y"), **joined),
        Case("balance", _balanced_terms, ("Z", "W", "A", "Y"), **joined),
        Case("track_subspaces", _started, solve, **solved),
        updated,
        updated.but("drift", options={"every": training.WhenDrifted(0.1)}),
        updated.but("not due", options={"every": 100}),
        Case("as_latents", training.as_latents, ("x",), **images),
        Case(
            "as_latents",
            training.as_latents,
            ("x",),
            (("batch_axes", (0, 2, 3)),),
            calls=None,
            exact=None,
            label="pixels",
        ),
    )

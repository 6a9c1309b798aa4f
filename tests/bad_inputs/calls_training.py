"""Objectives and trackers with arguments that are right."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from spacelearn_jax import loss, training


def fit(u: Any) -> Any:
    """Returns a scalar term."""
    return (u**2).mean()


def size(u: Any) -> Any:
    """Returns another scalar term."""
    return abs(u).mean()


def objective() -> loss.Objective:
    """Returns an objective of two terms."""
    return loss.combine({"fit": fit, "size": size})


def state(balancer: loss.Balancer | None = None) -> Any:
    """Returns the first state of a balancer for that objective."""
    return loss.balance(objective(), balancer or loss.relobralo()).init()


def tracked(Z: Any, Y: Any, where: Any = None) -> training.TrackerState:
    """Returns a tracker's state."""
    return training.track_subspaces(1).init(Z, Y, where=where)


class Later(NamedTuple):
    """Stands for an argument that is made in the call: an import must start no device."""

    make: Callable[[], Any]


def _made(value: Any) -> Any:
    return value.make() if isinstance(value, Later) else value


def _combine(terms: Any, weights: Any, inputs: Any) -> Any:
    return loss.combine(terms, weights)(**inputs)


def _gradient_norms(function: Any, inputs: Any) -> Any:
    return loss.gradient_norms(function, inputs)


def _init(Z: Any, Y: Any, k: Any, where: Any, axis_name: Any) -> Any:
    return training.track_subspaces(k).init(Z, Y, where=where, axis_name=axis_name)


def _update(Z: Any, Y: Any, state: Any, where: Any, axis_name: Any) -> Any:
    tracker = training.track_subspaces(1)
    return tracker.update(Z, Y, _made(state), where, axis_name=axis_name)


def calls(Z: Any, Y: Any) -> Mapping[str, tuple[Any, Mapping[str, Any]]]:
    """Returns functions by the name that their errors give, and their arguments."""

    def balanced(objective: Any, balancer: Any, state: Any, norms: Any) -> Any:
        return loss.balance(objective, balancer)(_made(state), norms=norms, u=Z)

    batch = {"where": None, "axis_name": None}
    return {
        "combine": (
            _combine,
            {"terms": {"fit": fit, "size": size}, "weights": {"size": 0.5}, "inputs": {"u": Z}},
        ),
        "balance": (
            balanced,
            {
                "objective": objective(),
                "balancer": loss.relobralo(),
                "state": Later(state),
                "norms": None,
            },
        ),
        "gradient_norms": (
            _gradient_norms,
            {"function": lambda u: {"fit": fit(u)}, "inputs": Z},
        ),
        "gradient_norm_balance": (loss.gradient_norm_balance, {"decay": 0.5}),
        "gradnorm": (loss.gradnorm, {"alpha": 1.5, "optimizer": None}),
        "relobralo": (
            loss.relobralo,
            {"alpha": 0.9, "rho": 0.9, "temperature": 1.0, "seed": 0},
        ),
        "uncertainty": (loss.uncertainty, {}),
        "track_subspaces": (
            training.track_subspaces,
            {"k": 2, "every": 10, "decay": 0.9, "align": True, "solver": "auto"},
        ),
        "SubspaceTracker.init": (_init, {"Z": Z, "Y": Y, "k": 1, **batch}),
        "SubspaceTracker.update": (
            _update,
            {"Z": Z, "Y": Y, "state": Later(lambda: tracked(Z, Y)), **batch},
        ),
        "WhenDrifted": (training.WhenDrifted, {"threshold": 0.1}),
        "as_latents": (
            training.as_latents,
            {"features": np.ones((4, 3, 2), np.float32), "batch_axes": 0},
        ),
    }

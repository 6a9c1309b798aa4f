"""Subspaces inside the train step.

A ``TrackerState`` is a pytree to be saved beside the parameters and the optimizer's state;
``jax.eval_shape(tracker.init, Z, Y)`` is the structure that Orbax restores it to. A run
that is resumed from the three goes on bit for bit. A state of that structure that is all
zeros is one before any data: the first update solves its subspaces.
"""

from spacelearn_jax.training._features import as_latents as as_latents
from spacelearn_jax.training._state import TrackerState as TrackerState
from spacelearn_jax.training._tracker import SubspaceTracker as SubspaceTracker
from spacelearn_jax.training._tracker import WhenDrifted as WhenDrifted
from spacelearn_jax.training._tracker import track_subspaces as track_subspaces

__all__ = [
    "SubspaceTracker",
    "TrackerState",
    "WhenDrifted",
    "as_latents",
    "track_subspaces",
]

"""Spaces and moments as ``flax.serialization`` stores them; named tuples it knows."""

from typing import Any

from flax import serialization

from spacelearn_jax.moments import Moments
from spacelearn_jax.space import LEAVES, Space


def _of_space(space: Space) -> dict[str, Any]:
    return {name: serialization.to_state_dict(getattr(space, name)) for name in LEAVES}


def _to_space(space: Space, state: dict[str, Any]) -> Space:
    restored = {
        name: serialization.from_state_dict(getattr(space, name), state[name], name)
        for name in LEAVES
    }
    return Space(**restored, target_shapes=space.target_shapes)


def _of_moments(m: Moments) -> dict[str, Any]:
    return {"sums": serialization.to_state_dict(m.sums)}


def _to_moments(m: Moments, state: dict[str, Any]) -> Moments:
    return Moments(serialization.from_state_dict(m.sums, state["sums"], "sums"), m.shapes)


serialization.register_serialization_state(Space, _of_space, _to_space)
serialization.register_serialization_state(Moments, _of_moments, _to_moments)

"""Bad values that need a definition."""

from typing import Any, NamedTuple

import jax


class Traced(NamedTuple):
    """Stands for an argument that is traced under jit."""

    value: Any


class Tensor:
    """Passes for a torch.Tensor where torch is not installed."""


Tensor.__module__ = "torch"

KEYS = jax.random.split(jax.random.key(0), 8)
DEVICES = ", ".join(f"'{d.platform}:{d.id}'" for d in jax.devices())


def positional_only(velocity: Any, /) -> Any:
    """Takes its input by position alone."""
    return velocity


def area(x: float) -> float:
    """Annotates x as a float."""
    return x * x


def radius(x: int) -> int:
    """Annotates x as an int."""
    return x


def speed(velocity: Any) -> Any:
    """Takes one named input."""
    return abs(velocity)


def open_ended(**fields: Any) -> Any:
    """Takes every input."""
    return fields

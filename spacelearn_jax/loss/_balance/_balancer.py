"""What every way of balancing has in common."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

ByName = dict[str, jax.Array]


class Balancer(NamedTuple):
    """Two pure functions that turn the terms of an objective into weights.

    Attributes:
        init: ``init(names) -> state``.
        update: ``update(terms, state, norms) -> (weights, penalty, state)``: a weight a
            term, a scalar to add to the objective, and the next state. ``norms`` are the
            norms of the terms' gradients, or ``None``.
        needs_norms: Whether ``update`` needs them.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax.loss import relobralo
        >>> init, update, needs_norms = relobralo()
        >>> terms = {"a": jnp.array(1.0), "b": jnp.array(2.0)}
        >>> weights, penalty, state = update(terms, init(terms), None)
        >>> print(weights["a"], weights["b"])
        1.0 1.0
    """

    init: Callable[[Iterable[str]], Any]
    update: Callable[[Mapping[str, jax.Array], Any, Any], tuple[ByName, jax.Array, Any]]
    needs_norms: bool = False


def zero() -> jax.Array:
    """Returns a float32 zero."""
    return jnp.zeros((), jnp.float32)


def ones(names: Iterable[str]) -> ByName:
    """Returns a weight of 1 for every name."""
    return {name: jnp.ones((), jnp.float32) for name in sorted(names)}


def float32(values: Mapping[str, jax.Array]) -> ByName:
    """Returns constants in float32."""
    return {name: lax.stop_gradient(x).astype(jnp.float32) for name, x in values.items()}


def zeros(names: Iterable[str]) -> ByName:
    """Returns a 0 for every name."""
    return {name: zero() for name in sorted(names)}


def first_nonzero(first: ByName, now: ByName) -> ByName:
    """Returns the first values of the terms that were not 0, as far as there are some.

    The stability loss, for one, is 0 until something has moved.
    """
    return {name: jnp.where(first[name] == 0, x, first[name]) for name, x in now.items()}


def progress(now: ByName, then: ByName) -> ByName:
    """Returns each term over what it was, and 1 where that was 0."""
    return {name: jnp.where(then[name] == 0, 1, x / then[name]) for name, x in now.items()}


def pick(condition: jax.Array, x: Any, y: Any) -> Any:
    """Chooses between two trees of one structure."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), x, y)

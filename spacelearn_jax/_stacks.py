"""Quantities of equal shapes as one stack, so that their program is compiled once."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _cuts

_Tree = TypeVar("_Tree")

# Up to _FEW parts are worked on in one piece, more by _TOGETHER in each step of a loop. LAPACK
# runs on one thread, and XLA wakes others where a product is large, or where more than eight
# operations are ready, as those of eight parts are. Every part of a step is compiled.
_FEW, _TOGETHER = 8, 4


def alike(keys: Mapping[str, Hashable]) -> list[tuple[str, ...]]:
    """Groups names whose keys are equal."""
    groups: dict[Hashable, list[str]] = {}
    for q, key in keys.items():
        groups.setdefault(key, []).append(q)
    return [tuple(names) for names in groups.values()]


def of(parts: Sequence[_Tree]) -> _Tree:
    """Returns the stacks (s, ...) of some pytrees of one structure and shapes."""
    return jax.tree.map(lambda *x: jnp.stack(x), *parts)


def each(function: Callable[..., Any], *stacks: Any) -> Any:
    """Applies a function to the parts of stacks (s, ...), each by itself.

    And not to all at once: ``vmap`` computes both branches of every condition, and its
    calls to LAPACK can wait for one another forever on the CPU.
    """
    n = len(jax.tree.leaves(stacks)[0])
    if n == 1:
        found = function(*jax.tree.map(lambda x: x[0], stacks))
        return jax.tree.map(lambda x: x[None], found)

    def step(_: None, parts: Any) -> tuple[None, Any]:
        return None, function(*parts)

    return lax.scan(step, None, stacks, unroll=n if n <= _FEW else _TOGETHER)[1]


def cut(names: Sequence[str], stacks: _Tree) -> Iterator[tuple[str, _Tree]]:
    """Yields each quantity's slice of the stacks (s, ...)."""
    # Without the barrier XLA computes all that leads to a stack once more in every cut.
    stacks = lax.optimization_barrier(stacks)
    for i, q in enumerate(names):
        part = _cuts.cut(stacks, i, 1, axis=0)
        yield q, jax.tree.map(lambda x: x[0], part)

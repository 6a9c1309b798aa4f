"""Reading traced programs."""

from collections.abc import Callable, Iterator
from typing import Any

import jax

FACTORIZATIONS = {"svd", "eigh", "qr", "householder_product", "geqrf", "eig"}


def _inner(value: Any) -> Iterator[Any]:
    if hasattr(value, "eqns"):
        yield value
    elif hasattr(value, "jaxpr"):
        yield value.jaxpr
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _inner(each)


def primitives(function: Callable[..., Any], *args: Any, enter: Callable[[str], bool]) -> set[str]:
    """Names the primitives that a function runs, inside those that ``enter`` admits too."""
    found = set()

    def walk(jaxpr: Any) -> None:
        for eqn in jaxpr.eqns:
            found.add(eqn.primitive.name)
            if enter(eqn.primitive.name):
                for value in eqn.params.values():
                    for inner in _inner(value):
                        walk(inner)

    walk(jax.make_jaxpr(function)(*args).jaxpr)
    return found

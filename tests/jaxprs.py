"""Reading traced programs."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax

#: What a call of a jitted function is called, in newer and older releases.
CALLS = ("jit", "pjit")

#: Primitives that a factorization consists of, in newer and older releases.
FACTORIZATIONS = {"svd", "eigh", "eig", "geqrf", "qr", "householder_product"}


def _inner(value: Any) -> Iterator[Any]:
    """Yields the programs that a parameter of an equation holds."""
    if hasattr(value, "eqns"):
        yield value
    elif hasattr(value, "jaxpr"):
        yield value.jaxpr
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _inner(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _inner(each)


def equations(jaxpr: Any, enter: Callable[[str], bool] = lambda _: True) -> Iterator[Any]:
    """Yields the equations of a program and of what it calls by primitives to ``enter``."""
    for eqn in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        yield eqn
        if enter(eqn.primitive.name):
            for value in eqn.params.values():
                for inner in _inner(value):
                    yield from equations(inner, enter)


def dtypes(jaxpr: Any) -> set[str]:
    """Returns the dtypes of every value that a program handles, constants included.

    Python numbers are left out: they take the dtype of what they meet.
    """
    found = {x.dtype for x in getattr(jaxpr, "consts", ())}
    for eqn in [getattr(jaxpr, "jaxpr", jaxpr), *equations(jaxpr)]:
        for variable in [*eqn.invars, *eqn.outvars]:
            if not getattr(variable.aval, "weak_type", False):
                found.add(getattr(variable.aval, "dtype", None))
    return {str(dtype) for dtype in found}


def precisions(jaxpr: Any) -> list[Any]:
    """Returns the precision of every matrix product in a program."""
    return [e.params["precision"] for e in equations(jaxpr) if e.primitive.name == "dot_general"]


def lapack_calls(program: str) -> list[str]:
    """Returns the types of the first operand of every call of LAPACK in a lowered program."""
    return re.findall(r"custom_call @lapack_.*: \((tensor<[^>]*>)", program)


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """Lists what JAX traces and compiles meanwhile."""
    events: list[str] = []

    def listen(event: str, *_: Any, **__: Any) -> None:
        if event.startswith("/jax/core/compile"):
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)

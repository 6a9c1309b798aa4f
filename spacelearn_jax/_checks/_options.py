"""Checks of static options: integers, fractions, choices, axis names."""

import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from spacelearn_jax._checks._errors import entry, failure, nearest
from spacelearn_jax._checks._mappings import has_names, mapping


def axis(function: str, axis_name: Any) -> Hashable | None:
    """Requires that ``axis_name`` is a mapped axis in scope."""
    if axis_name is None:
        return None
    names = axis_name if isinstance(axis_name, tuple) else (axis_name,)
    if not names or not all(isinstance(name, str) for name in names):
        raise failure(
            TypeError,
            function,
            "axis_name",
            "the name of a mesh axis (str) or a tuple of names",
            repr(axis_name),
            "Use the name given to jax.make_mesh.",
        )
    try:
        jax.lax.axis_index(names)
    except NameError:
        raise failure(
            ValueError,
            function,
            "axis_name",
            "an axis that jax.shard_map (or vmap, pmap) maps over here",
            repr(axis_name),
            "Call inside shard_map over that axis, or leave axis_name out: under plain jit "
            "batch-sharded inputs are exact already.",
        ) from None
    return axis_name


def choice(function: str, argument: str, value: Any, options: Sequence[Any]) -> Any:
    """Requires one of ``options``."""
    # `in` would compare arrays elementwise and accept 1 for True.
    if not isinstance(value, str | int) or isinstance(value, bool) or value not in options:
        hint = nearest(value, map(str, options)) if isinstance(value, str) else ""
        raise failure(
            ValueError,
            function,
            argument,
            f"one of {', '.join(map(repr, options))}",
            repr(value),
            hint or "Pass one of these.",
        )
    return value


def flag(function: str, argument: str, value: Any) -> bool:
    """Requires a Python bool."""
    if not isinstance(value, bool | np.bool_):
        raise failure(
            TypeError,
            function,
            argument,
            "True or False",
            f"{value!r} of type {type(value).__name__}",
            "It selects what is computed, so it can't be an array.",
        )
    return bool(value)


def integer(function: str, argument: str, value: Any, *, minimum: int = 1) -> int:
    """Requires a Python or NumPy integer of at least ``minimum``."""
    if isinstance(value, jax.core.Tracer):
        raise failure(
            TypeError,
            function,
            argument,
            "a Python int, since it fixes shapes",
            "a traced array",
            "Mark it static (jax.jit static_argnames) or close over it.",
        )
    bad_kind = isinstance(value, bool | np.bool_)
    if not bad_kind:
        try:
            number = operator.index(value)
        except TypeError:
            bad_kind = True
    if bad_kind:
        raise failure(
            TypeError,
            function,
            argument,
            "an int",
            f"{value!r} of type {type(value).__name__}",
            "Convert it with int(...) if that is what you mean.",
        )
    if number < minimum:
        raise failure(
            ValueError, function, argument, f"at least {minimum}", str(number), "Raise it."
        )
    return number


def number(function: str, argument: str, value: Any) -> float:
    """Requires a finite Python or NumPy real number."""
    if isinstance(value, jax.core.Tracer):
        raise failure(
            TypeError,
            function,
            argument,
            "a Python number",
            "a traced array",
            "Close over a concrete value.",
        )
    is_scalar_array = isinstance(value, np.ndarray | jax.Array) and value.ndim == 0
    if isinstance(value, bool | np.bool_) or not (
        isinstance(value, int | float | np.integer | np.floating) or is_scalar_array
    ):
        raise failure(
            TypeError,
            function,
            argument,
            "a number",
            f"{value!r} of type {type(value).__name__}",
            "Pass a float.",
        )
    return float(value)


def threshold(function: str, argument: str, value: Any) -> float:
    """Requires a fraction of variance in (0, 1]."""
    eta = number(function, argument, value)
    if not 0.0 < eta <= 1.0:
        fix = "It is a fraction of the variance."
        if 1.0 < eta <= 100.0:
            fix = f"It is a fraction, not a percentage: pass {eta / 100.0:g}."
        raise failure(ValueError, function, argument, "in (0, 1]", repr(value), fix)
    return eta


def sizes(function: str, k: Any, limits: Mapping[str, int]) -> tuple[int, ...]:
    """Converts ``k`` to one size a quantity, in the order of ``limits``.

    A scalar is capped at what each quantity can carry, as the original does; a
    size asked for by name is never changed.
    """
    if not isinstance(k, Mapping):
        size = integer(function, "k", k)
        return tuple(min(size, limit) for limit in limits.values())
    given = mapping(function, "k", k)
    has_names(function, "k", given, limits)
    out = []
    for name, limit in limits.items():
        size = integer(function, entry("k", name), given[name])
        if size > limit:
            raise failure(
                ValueError,
                function,
                entry("k", name),
                f"at most min(D, p) = {limit}",
                str(size),
                f"Lower it to {limit}, or pool the target less.",
            )
        out.append(size)
    return tuple(out)

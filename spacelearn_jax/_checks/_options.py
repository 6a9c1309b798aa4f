"""Checks of static options: integers, fractions, choices, axis names."""

import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax._checks._errors import close_name, described, entry, failure
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
            described(axis_name),
            "Use the name given to jax.make_mesh.",
        )
    if len(set(names)) < len(names):
        raise failure(
            ValueError,
            function,
            "axis_name",
            "a tuple of different names",
            repr(axis_name),
            "Name every axis once.",
        )
    try:
        jax.lax.axis_size(names)
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


def choice(
    function: str, argument: str, value: Any, options: Sequence[Any], *, others: str = ""
) -> Any:
    """Requires one of ``options``; ``others`` says what else the caller accepts."""
    if isinstance(value, np.integer):
        value = int(value)
    # `in` would compare arrays elementwise and accept 1 for True.
    if not isinstance(value, str | int) or isinstance(value, bool) or value not in options:
        words = [option for option in options if isinstance(option, str)]
        close = close_name(value, words) if isinstance(value, str) else None
        fix = f"Did you mean {close!r}?" if close else "Pass one of these."
        raise failure(
            ValueError,
            function,
            argument,
            f"one of {', '.join(map(repr, options))}{others}",
            repr(value) if isinstance(value, str) else described(value),
            fix,
        )
    return value


def flag(function: str, argument: str, value: Any) -> bool:
    """Requires a Python bool."""
    if not isinstance(value, bool | np.bool_):
        got, fix = described(value), "Pass a Python bool."
        if isinstance(value, jax.core.Tracer):
            got = "a traced array"
            fix = "Mark it static (jax.jit static_argnames) or close over it."
        raise failure(TypeError, function, argument, "True or False", got, fix)
    return bool(value)


def integer(
    function: str,
    argument: str,
    value: Any,
    *,
    minimum: int = 1,
    maximum: int = 2**31 - 1,
    kind: str = "an int",
) -> int:
    """Requires a Python or NumPy integer from ``minimum`` to ``maximum``."""
    if isinstance(value, jax.core.Tracer):
        raise failure(
            TypeError,
            function,
            argument,
            "a Python int, since it fixes shapes",
            "a traced array",
            "Mark it static (jax.jit static_argnames) or close over it.",
        )
    is_bool = isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) == np.bool_
    try:
        if is_bool:
            raise TypeError
        number = operator.index(value)
    except TypeError:
        fix = "Pass a whole number."
        if isinstance(value, float | np.floating):
            fix = "Convert it with int(...) if that is what you mean."
        raise failure(TypeError, function, argument, kind, described(value), fix) from None
    if number < minimum:
        fix = f"Pass {minimum} or more."
        raise failure(ValueError, function, argument, f"at least {minimum}", str(number), fix)
    if number > maximum:
        got = described(number).removeprefix("the int ")
        raise failure(ValueError, function, argument, f"at most {maximum}", got, "Lower it.")
    return number


def number(function: str, argument: str, value: Any, *, kind: str = "a number") -> float:
    """Requires a Python or NumPy real number, or a concrete scalar array of one."""
    if isinstance(value, jax.core.Tracer):
        raise failure(
            TypeError,
            function,
            argument,
            "a Python number",
            "a traced array",
            "Close over a concrete value.",
        )
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, np.ndarray | jax.Array) and value.ndim == 0:
        is_number = any(jnp.issubdtype(value.dtype, x) for x in (jnp.integer, jnp.floating))
    if isinstance(value, bool) or not is_number:
        fix = "Pass a float."
        raise failure(TypeError, function, argument, kind, described(value), fix)
    try:
        return float(value)
    except OverflowError:
        got = described(value)
        raise failure(ValueError, function, argument, "finite", got, "Lower it.") from None


def threshold(function: str, argument: str, value: Any, *, kind: str = "a number") -> float:
    """Requires a fraction of variance in (0, 1]."""
    eta = number(function, argument, value, kind=kind)
    if not 0.0 < eta <= 1.0:
        fix = "It is a fraction of the variance."
        if 2.0 <= eta <= 100.0:
            fix = f"It is a fraction, not a percentage: pass {eta / 100.0:g}."
        raise failure(ValueError, function, argument, "in (0, 1]", repr(eta), fix)
    return eta


def sizes(function: str, k: Any, limits: Mapping[str, int]) -> tuple[int, ...]:
    """Converts ``k`` to one size a quantity, in the order of ``limits``.

    A scalar is capped at what each quantity can carry, as the original does; a
    size asked for by name is never changed, and those of other names are not read, as there.
    """
    if not isinstance(k, Mapping):
        size = integer(function, "k", k, kind="an int or a mapping from names to ints")
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
                f"Lower it to {limit}; fields that are pooled less have room for more."
                if limit > 1
                else "Lower it to 1. Class labels enter as jax.nn.one_hot(labels, classes).",
            )
        out.append(size)
    return tuple(out)


def fraction(function: str, argument: str, value: Any) -> float:
    """Requires a number in [0, 1]."""
    x = number(function, argument, value)
    if not 0.0 <= x <= 1.0:
        raise failure(ValueError, function, argument, "in [0, 1]", repr(value), "It is a fraction.")
    return x


def positive(function: str, argument: str, value: Any, *, or_zero: bool = False) -> float:
    """Requires a finite number above 0, or at least 0."""
    x = number(function, argument, value)
    if not (0.0 < x < float("inf") or (or_zero and x == 0.0)):
        expected = "a finite number >= 0" if or_zero else "a finite number > 0"
        fix = "Raise it." if x < float("inf") else "Pass a finite number."
        raise failure(ValueError, function, argument, expected, repr(value), fix)
    return x

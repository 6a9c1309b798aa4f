"""Checks of mappings from names to values."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from spacelearn_jax._checks._errors import described, entry, failure, held, missing, nearest

_T = TypeVar("_T")


def mapping(
    function: str,
    argument: str,
    value: Any,
    *,
    may_be_empty: bool = False,
    of: str = "quantity names to arrays",
) -> dict[str, Any]:
    """Converts a mapping from names to values into a dict in sorted order."""
    if not isinstance(value, Mapping):
        fix = "Pass {'name': ...}."
        if isinstance(value, np.ndarray | jax.Array):
            fix = f"Pass {{'name': {argument}}}."
        elif argument in getattr(value, "__dataclass_fields__", ()):
            fix = f"Pass its field {argument}: space.{argument}."
        raise failure(TypeError, function, argument, f"a mapping from {of}", described(value), fix)
    for name in value:
        if not isinstance(name, str):
            raise failure(
                TypeError,
                function,
                argument,
                "keyed by str",
                f"{described(name)} as a key",
                f"Name every {'quantity' if 'quantity' in of else 'one'} by a string.",
            )
    if not value and not may_be_empty:
        raise failure(
            ValueError,
            function,
            argument,
            f"a mapping with at least one {'quantity' if 'quantity' in of else 'name'}",
            "an empty one",
            "Pass {'name': ...}.",
        )
    return {name: value[name] for name in sorted(value)}


def has_names(function: str, argument: str, value: Mapping[str, Any], names: Iterable[str]) -> None:
    """Requires that ``value`` holds every one of ``names``."""
    names = list(names)
    for name in names:
        if name not in value:
            raise failure(
                ValueError,
                function,
                argument,
                f"a mapping that holds {name!r}",
                held(value),
                missing(name, set(value) - set(names)),
            )


def known_names(
    function: str, argument: str, value: Mapping[str, Any], known: Iterable[str], what: str
) -> None:
    """Requires that ``value`` holds no name outside ``known``."""
    known = list(known)
    for name in value:
        if name not in known:
            raise failure(
                ValueError,
                function,
                argument,
                f"keyed by {what}",
                f"the unknown name {name!r}",
                nearest(name, known),
            )


def per_name(
    function: str,
    argument: str,
    value: Any,
    names: Iterable[str],
    convert: Callable[..., _T],
    default: _T,
) -> dict[str, _T]:
    """Spreads a scalar over ``names``, or reads a mapping with ``default`` for the rest."""
    names = list(names)
    if isinstance(value, Mapping):
        given = mapping(function, argument, value, may_be_empty=True)
        known_names(function, argument, given, names, "quantities of Y")
        own = {name: convert(function, entry(argument, name), x) for name, x in given.items()}
        return dict.fromkeys(names, default) | own
    kind = "a number or a mapping from names to numbers"
    return dict.fromkeys(names, convert(function, argument, value, kind=kind))


def names(function: str, argument: str, value: Any) -> list[str]:
    """Converts an iterable of names; a bare string is not one."""
    if isinstance(value, str):
        raise failure(
            TypeError,
            function,
            argument,
            "a list of names",
            described(value),
            f"Pass {argument}=[{value!r}].",
        )
    try:
        listed = list(value)
    except TypeError:
        raise failure(
            TypeError,
            function,
            argument,
            "a list of names",
            described(value),
            f"Pass {argument}=['name'].",
        ) from None
    for name in listed:
        if not isinstance(name, str):
            raise failure(
                TypeError,
                function,
                argument,
                "a list of names",
                f"{described(name)} among them",
                "Name every one by a string.",
            )
    return listed

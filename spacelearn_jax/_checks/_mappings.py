"""Checks of mappings from names to values."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from spacelearn_jax._checks._errors import entry, failure, nearest

_T = TypeVar("_T")


def mapping(
    function: str, argument: str, value: Any, *, may_be_empty: bool = False
) -> dict[str, Any]:
    """Converts a mapping from names to values into a dict in sorted order."""
    if not isinstance(value, Mapping):
        raise failure(
            TypeError,
            function,
            argument,
            "a mapping from quantity names to arrays",
            f"a {type(value).__name__}",
            f"Pass {{'name': {argument}}}.",
        )
    for name in value:
        if not isinstance(name, str):
            raise failure(
                TypeError,
                function,
                argument,
                "keyed by str",
                f"the key {name!r} of type {type(name).__name__}",
                "Name every quantity by a string.",
            )
    if not value and not may_be_empty:
        raise failure(
            ValueError,
            function,
            argument,
            "a mapping with at least one quantity",
            "an empty one",
            "Pass {'name': array}.",
        )
    return {name: value[name] for name in sorted(value)}


def has_names(function: str, argument: str, value: Mapping[str, Any], names: Iterable[str]) -> None:
    """Requires that ``value`` holds every one of ``names``."""
    for name in names:
        if name not in value:
            raise failure(
                ValueError,
                function,
                argument,
                f"a mapping that holds {name!r}",
                f"only {', '.join(map(repr, sorted(value))) or 'nothing'}",
                nearest(name, value),
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
    convert: Callable[[str, str, Any], _T],
    default: _T,
) -> dict[str, _T]:
    """Spreads a scalar over ``names``, or reads a mapping with ``default`` for the rest."""
    names = list(names)
    if isinstance(value, Mapping):
        given = mapping(function, argument, value, may_be_empty=True)
        known_names(function, argument, given, names, "quantities of Y")
        own = {name: convert(function, entry(argument, name), x) for name, x in given.items()}
        return dict.fromkeys(names, default) | own
    return dict.fromkeys(names, convert(function, argument, value))

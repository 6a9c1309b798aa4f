"""How an error reads: function, argument, expected, got, fix."""

import difflib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

_SHOWN = (str, bool, int, float, complex)
_LONGEST = 60


def failure(
    kind: type[Exception], function: str, argument: str, expected: str, got: str, fix: str
) -> Exception:
    """Builds the exception every check raises, so that all of them read alike."""
    return kind(f"{function}: {argument} must be {expected}, got {got}. {fix}")


def entry(argument: str, name: str) -> str:
    """Names one quantity's value: ``Y['pressure']``."""
    return f"{argument}[{name!r}]"


def described(value: Any) -> str:
    """Says in a few words, on one line, what a value of the wrong kind is."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray | jax.Array):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    name = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, _SHOWN):
        text = repr(value)
        short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        return f"the {name} {short}"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def close_name(name: str, known: Iterable[str]) -> str | None:
    """Returns the likeliest spelling of ``name`` among ``known``, if any is near."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a fix for an unknown name: its likeliest spelling among ``known``."""
    known = sorted(known)
    close = close_name(name, known)
    if close:
        return f"Did you mean {close!r}?"
    return f"Known names: {', '.join(map(repr, known)) or 'none'}."


def held(names: Iterable[str]) -> str:
    """Says which names there are."""
    listed = ", ".join(map(repr, sorted(names)))
    return f"only {listed}" if listed else "none"


def missing(name: str, given: Iterable[str]) -> str:
    """Returns a fix for a missing name: what it may be spelt like among ``given``."""
    close = close_name(name, given)
    if close:
        return f"Its nearest name is {close!r}: spell both alike."
    return f"Add {name!r} to it."

"""How an error reads: function, argument, expected, got, fix."""

import difflib
from collections.abc import Iterable


def failure(
    kind: type[Exception], function: str, argument: str, expected: str, got: str, fix: str
) -> Exception:
    """Builds the exception every check raises, so that all of them read alike."""
    return kind(f"{function}: {argument} must be {expected}, got {got}. {fix}")


def entry(argument: str, name: str) -> str:
    """Names one quantity's value: ``Y['pressure']``."""
    return f"{argument}[{name!r}]"


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint that names the likeliest spelling among ``known``."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known names: {', '.join(map(repr, known)) or 'none'}."

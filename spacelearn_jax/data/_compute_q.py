"""Calling several quantity functions on one set of named inputs."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from spacelearn_jax import _checks

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def register(
    caller: str, positional: tuple[Callable, ...], named: dict[str, Callable]
) -> dict[str, Callable]:
    """Names every function, by keyword or by its own name, each once."""
    registry: dict[str, Callable] = {}
    for function in positional:
        _require_callable(caller, "every positional argument", function)
        name = getattr(function, "__name__", None)
        if name is None or name == "<lambda>":
            raise _checks.failure(
                ValueError,
                caller,
                "every positional function",
                "one with a name of its own",
                "a lambda" if name else _checks.described(function),
                "Give it one by keyword, as in vorticity=lambda field: field.",
            )
        if name in registry or name in named:
            raise _checks.failure(
                ValueError,
                caller,
                f"the name {name!r}",
                "given once",
                "two functions of that name",
                "Name one of them by keyword.",
            )
        registry[name] = function
    for name, function in named.items():
        _require_callable(caller, name, function)
        registry[name] = function
    if not registry:
        raise _checks.failure(
            ValueError,
            caller,
            "the functions",
            "at least one",
            "none",
            "Pass them by keyword, as in vorticity=function.",
        )
    return {name: registry[name] for name in sorted(registry)}


def _require_callable(caller: str, argument: str, function: Any) -> None:
    if not callable(function):
        raise _checks.failure(
            TypeError,
            caller,
            argument,
            "callable",
            _checks.described(function),
            "Pass the function itself, not its result.",
        )


Finish = Callable[[str, str, Any], Any]


class _Inputs:
    """Which inputs one function takes."""

    def __init__(self, caller: str, name: str, function: Callable) -> None:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise _checks.failure(
                TypeError,
                caller,
                name,
                "a function with a signature",
                _checks.described(function),
                "Wrap it: lambda field: function(field).",
            ) from None
        for p in parameters:
            if p.kind is p.POSITIONAL_ONLY and p.default is p.empty:
                raise _checks.failure(
                    TypeError,
                    caller,
                    name,
                    "a function of named parameters",
                    f"the positional-only parameter {p.name!r}",
                    f"Wrap it: lambda {p.name}: function({p.name}).",
                )
        self.takes = [p.name for p in parameters if p.kind in _BY_NAME]
        self.needs = [p.name for p in parameters if p.kind in _BY_NAME and p.default is p.empty]
        self.takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        options_alone = all(p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY) for p in parameters)
        if any(p.kind is p.VAR_POSITIONAL for p in parameters) and options_alone and not self.needs:
            raise _checks.failure(
                TypeError,
                caller,
                name,
                "a function of named parameters",
                "one whose inputs have no names, *args",
                "Wrap it: lambda x, y: function(x, y).",
            )
        hints = _annotations(function)
        self.annotations = {name: hints[name] for name in self.takes if name in hints}


def _annotations(function: Callable) -> dict[str, Any]:
    """Resolves annotations; those that can't be resolved say nothing."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = type(function).__call__  # an instance's own hints are those of its fields
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def _check_annotations(caller: str, inputs: dict[str, _Inputs]) -> None:
    seen: dict[str, tuple[str, Any]] = {}
    for name, each in inputs.items():
        for parameter, hint in each.annotations.items():
            first, known = seen.setdefault(parameter, (name, hint))
            if known != hint:
                raise _checks.failure(
                    TypeError,
                    caller,
                    f"the parameter {parameter!r}",
                    f"of one type, {inspect.formatannotation(known)} as in {first!r}",
                    f"{inspect.formatannotation(hint)} in {name!r}",
                    "Both functions get the same value: make the annotations agree, or "
                    "rename one parameter.",
                )


def compute_Q(  # noqa: N802 - the name of the port's original
    *arg_functions: Callable[..., Any], **kwarg_functions: Callable[..., Any]
) -> Callable[..., dict[str, Any]]:
    """Joins functions into one that calls each with the inputs it names.

    Args:
        *arg_functions: Functions, named by their ``__name__``.
        **kwarg_functions: Functions, named by keyword.

    Returns:
        ``call(**inputs) -> {name: result}``, names sorted. A function with ``**kwargs``
        gets every input. ``call`` raises a ValueError for an input that no function
        takes or that one lacks.

    Raises:
        TypeError: If something is not callable, has a positional-only parameter, or if
            two functions annotate one parameter with different types.
        ValueError: If there is no function, or two share a name, or one has none.

    Example:
        >>> import jax.numpy as jnp
        >>> def energy(u, v):
        ...     return 0.5 * (u**2 + v**2)
        >>> quantities = compute_Q(energy, speed=lambda u, v: jnp.hypot(u, v))
        >>> sorted(quantities(u=jnp.ones(3), v=jnp.zeros(3)))
        ['energy', 'speed']
    """
    return joined("compute_Q", arg_functions, kwarg_functions)


class Joined:
    """Functions that are called together, each with the inputs it names.

    Args:
        caller: The public function that errors are told by.
        functions: Functions by name.
        finish: ``finish(caller, name, result)`` makes of each result what is returned.
    """

    def __init__(
        self, caller: str, functions: Mapping[str, Callable], finish: Finish | None = None
    ) -> None:
        self.caller = caller
        self.finish = finish
        self.functions = dict(functions)
        self.inputs = {name: _Inputs(caller, name, f) for name, f in functions.items()}
        self.takes_all = any(each.takes_all for each in self.inputs.values())

    def takes(self) -> list[str]:
        """Returns the inputs that at least one function names, sorted."""
        return sorted({name for each in self.inputs.values() for name in each.takes})

    def needs(self) -> list[str]:
        """Returns the inputs that at least one function can't do without, sorted."""
        return sorted({name for each in self.inputs.values() for name in each.needs})

    def __call__(self, /, *unnamed: Any, **given: Any) -> dict[str, Any]:
        if unnamed:
            example = next(iter(self.takes()), "field")
            raise _checks.failure(
                TypeError,
                self.caller,
                "the inputs",
                "named",
                f"{len(unnamed)} without a name",
                f"Pass them by keyword, as in {example}=value.",
            )
        if not self.takes_all:
            _checks.known_names(
                self.caller, "the inputs", given, self.takes(), "parameters of the functions"
            )
        results = {}
        for name, function in self.functions.items():
            each = self.inputs[name]
            for needed in each.needs:
                if needed not in given:
                    raise _checks.failure(
                        ValueError,
                        self.caller,
                        "the inputs",
                        f"a set that holds {needed!r}, which {name!r} needs",
                        _checks.held(given),
                        _checks.missing(needed, given),
                    )
            chosen = given if each.takes_all else {p: given[p] for p in each.takes if p in given}
            result = function(**chosen)
            results[name] = self.finish(self.caller, name, result) if self.finish else result
        return results


def joined(
    caller: str,
    arg_functions: tuple[Callable, ...],
    kwarg_functions: dict[str, Callable],
    finish: Finish | None = None,
) -> Joined:
    """Builds the function behind ``compute_Q`` with errors in the caller's name."""
    both = Joined(caller, register(caller, arg_functions, kwarg_functions), finish)
    _check_annotations(caller, both.inputs)
    return both

"""Decorators that prepare the array arguments of a function."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from spacelearn_jax import _checks

_Convert = Callable[[Any], Any]


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray | np.generic)


def _on_arguments(
    caller: str,
    option: str,
    function: Callable,
    targets: list[str] | None,
    convert: _Convert,
) -> Callable:
    """Wraps ``function`` so that ``convert`` sees the array arguments of these names."""
    if not callable(function):
        raise _checks.failure(
            TypeError,
            caller,
            "func",
            "callable",
            _checks.described(function),
            f"Pass options by name, as in @{caller}({option}).",
        )
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise _checks.failure(
            TypeError,
            caller,
            "func",
            "a function with a signature",
            _checks.described(function),
            "Wrap it: lambda field: function(field).",
        ) from None
    parameters = signature.parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    chosen = None if targets is None else set(targets)
    if chosen is not None and not open_ended:
        for name in sorted(chosen - set(parameters)):
            raise _checks.failure(
                ValueError,
                caller,
                "targets",
                "a list of parameters of the function",
                f"the unknown name {name!r}",
                _checks.nearest(name, parameters),
            )

    def one(name: str, value: Any) -> Any:
        return convert(value) if (chosen is None or name in chosen) and _is_array(value) else value

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            bound = None
        if bound is None:
            # Python's own words about a call that doesn't fit name the function.
            return function(*args, **kwargs)
        for name, value in bound.arguments.items():
            kind = parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(one(name, v) for v in value)
            elif kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: one(key, v) for key, v in value.items()}
            else:
                bound.arguments[name] = one(name, value)
        return function(*bound.args, **bound.kwargs)

    return wrapped


def ensure_dim(
    func: Callable[..., Any] | None = None,
    *,
    dims: int,
    targets: Iterable[str] | None = None,
) -> Callable[..., Any]:
    """Decorates a function so that its arrays have at least ``dims`` axes.

    Missing axes are put in front with length 1.

    Args:
        func: The function; leave it out to use the result as a decorator.
        dims: Least number of axes.
        targets: Names of the parameters to expand, however they are passed: ``None``
            for all, ``[]`` for none.

    Returns:
        The wrapped function, or a decorator.

    Raises:
        TypeError: If ``dims`` is not an int or ``targets`` a bare string.
        ValueError: If ``dims < 1`` or the function has no parameter of a target's name.

    Example:
        >>> import jax.numpy as jnp
        >>> @ensure_dim(dims=4, targets=["field"])
        ... def shape(field):
        ...     return field.shape
        >>> shape(jnp.ones((32, 32)))
        (1, 1, 32, 32)
    """
    n = _checks.integer("ensure_dim", "dims", dims)
    chosen = None if targets is None else _checks.names("ensure_dim", "targets", targets)

    def expand(x: Any) -> Any:
        return x.reshape((1,) * (n - x.ndim) + x.shape) if x.ndim < n else x

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _on_arguments("ensure_dim", "dims=4", function, chosen, expand)

    return decorate if func is None else decorate(func)


def to_device(
    func: Callable[..., Any] | None = None,
    *,
    device: str | jax.Device | jax.sharding.Sharding = "cpu",
    targets: Iterable[str] | None = None,
) -> Callable[..., Any]:
    """Decorates a function so that its arrays are moved to a device first.

    Args:
        func: The function; leave it out to use the result as a decorator.
        device: A platform (``"cpu"``, ``"gpu"``, ``"tpu"``), one device of it
            (``"gpu:1"``), a ``jax.Device`` or a sharding.
        targets: Names of the parameters to move, however they are passed: ``None`` for
            all, ``[]`` for none.

    Returns:
        The wrapped function, or a decorator.

    Raises:
        TypeError: If ``device`` is none of these, or ``targets`` a bare string.
        ValueError: If there is no such device here, or the function has no parameter of
            a target's name.

    Example:
        >>> import numpy as np
        >>> @to_device(device="cpu")
        ... def platform(x):
        ...     return x.device.platform
        >>> platform(np.ones(3))
        'cpu'
    """
    place = _find_device(device)
    chosen = None if targets is None else _checks.names("to_device", "targets", targets)

    def move(x: Any) -> jax.Array:
        try:
            return jax.device_put(x, place)
        except TypeError as error:
            raise _checks.failure(
                TypeError,
                "to_device",
                "an argument",
                "an array of a dtype that JAX has",
                f"dtype {x.dtype}",
                "Name those to move in targets=.",
            ) from error

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _on_arguments("to_device", "device='cpu'", function, chosen, move)

    return decorate if func is None else decorate(func)


def _find_device(device: Any) -> jax.Device | jax.sharding.Sharding:
    if isinstance(device, jax.Device | jax.sharding.Sharding):
        return device
    if not isinstance(device, str):
        raise _checks.failure(
            TypeError,
            "to_device",
            "device",
            "a platform name, a jax.Device or a sharding",
            _checks.described(device),
            "Pass 'cpu', 'gpu' or 'tpu'.",
        )
    platform, _, index = device.partition(":")
    try:
        # A dict, for a list would take -1 as the last device.
        devices = dict(enumerate(jax.devices(platform))) if platform else {}
        return devices[int(index or 0)]
    except (RuntimeError, KeyError, ValueError):
        present = ", ".join(f"'{d.platform}:{d.id}'" for d in jax.devices())
        raise _checks.failure(
            ValueError,
            "to_device",
            "device",
            f"a device of this machine ({present})",
            repr(device),
            "Use one of these, or install the JAX build for that platform.",
        ) from None

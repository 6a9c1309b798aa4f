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
    return isinstance(x, jax.Array | np.ndarray)


def _on_arguments(
    caller: str, function: Callable, targets: Iterable[str] | None, convert: _Convert
) -> Callable:
    """Wraps ``function`` so that ``convert`` sees the array arguments of these names."""
    if not callable(function):
        raise _checks.failure(
            TypeError,
            caller,
            "func",
            "callable",
            f"a {type(function).__name__}",
            "Decorate a function.",
        )
    signature = inspect.signature(function)
    parameters = signature.parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if isinstance(targets, str):
        raise _checks.failure(
            TypeError,
            caller,
            "targets",
            "a list of parameter names",
            repr(targets),
            f"Pass [{targets!r}].",
        )
    chosen = None if targets is None else set(targets)
    if chosen is not None and not open_ended:
        _checks.known_names(
            caller, "targets", dict.fromkeys(chosen), parameters, "parameters of the function"
        )

    def one(name: str, value: Any) -> Any:
        return convert(value) if (chosen is None or name in chosen) and _is_array(value) else value

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
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

    def expand(x: Any) -> Any:
        return x.reshape((1,) * (n - x.ndim) + x.shape) if x.ndim < n else x

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _on_arguments("ensure_dim", function, targets, expand)

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

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _on_arguments("to_device", function, targets, lambda x: jax.device_put(x, place))

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
            f"a {type(device).__name__}",
            "Pass 'cpu', 'gpu' or 'tpu'.",
        )
    platform, _, index = device.partition(":")
    try:
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError):
        present = ", ".join(f"'{d.platform}:{d.id}'" for d in jax.devices())
        raise _checks.failure(
            ValueError,
            "to_device",
            "device",
            f"a device of this machine ({present})",
            repr(device),
            "Use one of these, or install the JAX build for that platform.",
        ) from None

"""Compilation of the functions behind the public ones."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

_F = TypeVar("_F", bound=Callable[..., Any])

# Options of other types may equal one that has passed, as True and 1.0 equal 1.
_TOLD_APART = (str, int, type(None))


def compiled(*, static: tuple[str, ...] = (), keep_axes: int = 0) -> Callable[[Callable], Callable]:
    """Jits a function of positional arrays and static keywords.

    On a mesh with Explicit axes an unannotated contraction over a sharded axis
    raises, so the body runs with those axes in Auto mode, where XLA plans the
    communication, and hands its results back replicated. With ``keep_axes=n`` the
    results keep the sharding of the first argument's leading ``n`` axes instead
    (negative: all but the last ``-n``).

    Args:
        static: Names of the keywords that are compile-time constants.
        keep_axes: How many leading axes the results share with the first argument.

    Returns:
        The decorator.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def body(*arrays: Any, **options: Any) -> Any:
            run = functools.partial(function, **options)
            shardings = [jax.typeof(x).sharding for x in jax.tree.leaves(arrays)]
            for sharding in shardings:
                mesh = sharding.mesh
                pairs = zip(mesh.axis_names, mesh.axis_types, strict=True)
                explicit = tuple(name for name, kind in pairs if kind == AxisType.Explicit)
                if explicit:
                    spec = tuple(shardings[0].spec)[:keep_axes] if keep_axes else ()
                    out = NamedSharding(mesh, PartitionSpec(*spec))
                    return jax.sharding.auto_axes(run, axes=explicit, out_sharding=out)(*arrays)
            return run(*arrays)

        return jax.jit(body, static_argnames=static)

    return decorate


def checked_once(*, static: tuple[str, ...]) -> Callable[[_F], _F]:
    """Compiles a public function with its checks, so that they run while it is traced.

    A call with JAX arrays alone then costs what a compiled one does: what has passed is known
    by its shapes and dtypes. Whatever else is given is converted or refused by the function
    itself, as are tracers. Other shapes of inputs that a function ignores retrace it as well:
    don't use it where many of those are passed.

    Args:
        static: Names of the arguments that are compile-time constants.

    Returns:
        The decorator.
    """

    def decorate(function: _F) -> _F:
        traced = jax.jit(function, static_argnames=static)
        names = tuple(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*given: Any, **keywords: Any) -> Any:
            by_name = dict(zip(names, given, strict=False)) | keywords
            options = [by_name.pop(name) for name in static if name in by_name]
            known = all(type(x) in _TOLD_APART for x in options) and _all_concrete(by_name)
            return (traced if known else function)(*given, **keywords)

        return call  # type: ignore[return-value]

    return decorate


def _all_concrete(tree: Any) -> bool:
    """Tells whether this holds JAX arrays alone, and none that is traced."""
    try:
        leaves = jax.tree.leaves(tree)
    except ValueError:  # names that have no order
        return False
    # Of their class: tracers pass for arrays by isinstance alone.
    return all(issubclass(type(x), jax.Array) for x in leaves)

"""Compilation of the functions behind the public ones."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


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

"""Parts of arrays, without a compiled program for each of them."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

_Tree = TypeVar("_Tree")


def cut(tree: _Tree, start: int, size: int, *, axis: int) -> _Tree:
    """Returns ``size`` entries from ``start`` along an axis of every leaf.

    On the CPU a cut at a place that is known when it is compiled is a program of its own,
    which takes some 15 ms, while equal programs are compiled once. In a branch of a
    condition the place is not known. Both branches do the same, whatever the condition. On
    a GPU that would wait for the host, and programs are small.
    """
    if all(x.shape[axis] == size for x in jax.tree.leaves(tree)):
        return tree
    part: _Tree = _cutter(size, axis)(tree, jnp.uint32(start))
    return part


def split(x: jax.Array, sizes: Sequence[int], *, axis: int) -> list[jax.Array]:
    """Cuts an array along an axis into parts of these sizes; it can be differentiated."""
    return _split(x, tuple(sizes), axis)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _split(x: jax.Array, sizes: tuple[int, ...], axis: int) -> list[jax.Array]:
    starts = itertools.accumulate(sizes[:-1], initial=0)
    places = zip(starts, sizes, strict=True)
    return [cut(x, start, size, axis=axis) for start, size in places]


@_split.defjvp
def _split_jvp(
    sizes: tuple[int, ...], axis: int, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[list[jax.Array], list[jax.Array]]:
    # In reverse that is one concatenation, and nothing is cut.
    return split(*primals, sizes, axis=axis), list(lax.split(*tangents, sizes, axis=axis))


@functools.cache
def _cutter(size: int, axis: int) -> Callable[[Any, jax.Array], Any]:
    def taken(tree: Any, start: jax.Array, axis: int = axis) -> Any:
        return jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, start, size, axis), tree)

    def hidden(tree: Any, start: jax.Array) -> Any:
        first = jax.tree.leaves(tree)[0]
        return lax.cond(first[(0,) * first.ndim] > 0, taken, taken, tree, start)

    @jax.custom_batching.custom_vmap
    def part(tree: Any, start: jax.Array) -> Any:
        return lax.platform_dependent(tree, start, cpu=hidden, default=taken)

    @part.def_vmap
    def _(_: int, batched: list[Any], tree: Any, start: jax.Array) -> tuple[Any, Any]:
        # Of a condition for each of a batch, both branches would be computed.
        def of_batch(x: jax.Array, is_batched: bool) -> jax.Array:
            return taken(x, start, axis + is_batched)

        return jax.tree.map(of_batch, tree, batched[0]), batched[0]

    return jax.jit(part)

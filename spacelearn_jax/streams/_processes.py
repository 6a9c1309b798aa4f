"""Moments of all processes of ``jax.distributed``, each of which has read its own part."""

import json
import zlib

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from spacelearn_jax import _checks, _moments
from spacelearn_jax.moments import Moments


def merged(function: str, m: Moments | None) -> Moments | None:
    """Returns the moments of all processes, on each of them; None stands for no rows."""
    if jax.process_count() == 1:
        return m
    first: dict[int, jax.Device] = {}
    for device in jax.devices():
        first.setdefault(device.process_index, device)
    mesh = Mesh(np.array([first[i] for i in sorted(first)]), ("processes",))
    # Every process has to learn of what one lacks: one that raised by itself would leave
    # the others waiting.
    kinds = _joined(mesh, np.array([0 if m is None else _kind(m)], np.uint32))
    absent = [i for i, kind in enumerate(kinds) if not kind]
    if absent:
        raise _checks.failure(
            ValueError,
            function,
            "batches",
            "of at least one row in every process",
            f"none in process {absent[0]}",
            "Give every process a part of the data.",
        )
    other = [i for i, kind in enumerate(kinds) if kind != kinds[0]]
    if other:
        raise _checks.failure(
            ValueError,
            function,
            "batches",
            "of the same quantities, widths and dtypes in every process",
            f"others in process {other[0]} than in process 0",
            "Read the same columns everywhere, and different rows.",
        )
    if m is None:
        return None
    shards = jax.tree.map(lambda x: _shard(mesh, x[None]), m.sums)
    whole = jax.jit(
        jax.shard_map(_sum, mesh=mesh, in_specs=P("processes"), out_specs=P()),
    )(shards)
    return Moments(jax.tree.map(lambda x: x.addressable_data(0), whole), m.shapes)


def _sum(m: _moments.Sums) -> _moments.Sums:
    return _moments.over_devices(jax.tree.map(lambda x: x[0], m), "processes")


def _kind(m: Moments) -> int:
    """Returns a number that tells moments of other quantities apart, never 0."""
    kinds = [(list(x.shape), str(x.dtype)) for x in jax.tree.leaves(m)]
    return zlib.crc32(json.dumps([m.shapes, kinds]).encode()) | 1


def _shard(mesh: Mesh, local: object) -> jax.Array:
    return jax.make_array_from_process_local_data(
        NamedSharding(mesh, P("processes")), np.asarray(local)
    )


def _joined(mesh: Mesh, local: np.ndarray) -> np.ndarray:
    """Concatenates what every process has."""
    gather = jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, P()))
    return np.asarray(gather(_shard(mesh, local)).addressable_data(0))

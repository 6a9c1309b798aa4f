"""The tracker on eight devices, every way there is; run by test_devices.py."""

import functools
import sys

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from spacelearn_jax.training import WhenDrifted, track_subspaces


def main(which):
    # A neighbour only where this is a program, not where tests are collected.
    from batches import K, mixed

    assert jax.device_count() == 8
    tracker = track_subspaces(K, every=2 if which == "steps" else WhenDrifted(0.01))
    batches = [mixed(seed) for seed in range(3)]
    where = np.arange(24) % 5 != 0

    expected = tracker.init(*batches[0])
    for batch in batches:
        expected = tracker.update(*batch, expected, where)

    def compare(state, what):
        def close(path, a, b):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=f"{what} {path}")

        jax.tree.map_with_path(close, state, expected)
        assert all(x.sharding.is_fully_replicated for x in jax.tree.leaves(state)), what

    for check_vma in (True, False):
        mesh = jax.make_mesh((8,), ("i",), axis_types=(AxisType.Auto,))
        mapped = functools.partial(jax.shard_map, mesh=mesh, out_specs=P(), check_vma=check_vma)
        init = jax.jit(mapped(lambda z, y: tracker.init(z, y, axis_name="i"), in_specs=P("i")))
        update = jax.jit(
            mapped(
                lambda z, y, s, w: tracker.update(z, y, s, w, axis_name="i"),
                in_specs=(P("i"), P("i"), P(), P("i")),
            )
        )
        state = init(*batches[0])
        for batch in batches:
            state = update(*batch, state, where)
        compare(state, f"shard_map, check_vma={check_vma}")

    # How a refresh comes to be due makes no difference to what follows: once is enough.
    for kind in (AxisType.Auto, AxisType.Explicit) if which == "steps" else ():
        mesh = jax.make_mesh((8,), ("i",), axis_types=(kind,))
        rows = NamedSharding(mesh, P("i"))
        traces = []

        def update(Z, Y, state, where):
            traces.append(state)  # noqa: B023
            return tracker.update(Z, Y, state, where)

        with jax.set_mesh(mesh):
            state = jax.jit(tracker.init)(*jax.device_put(batches[0], rows))
            update = jax.jit(update)
            for batch in batches:
                state = update(*jax.device_put(batch, rows), state, jax.device_put(where, rows))
            assert len(traces) == 1, kind
        compare(state, str(kind))


if __name__ == "__main__":
    main(sys.argv[1])

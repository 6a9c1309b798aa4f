"""Parts of arrays that share a program."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import _cuts
from spacelearn_jax.loss._batch import Layout

S = np.arange(48.0, dtype=np.float32).reshape(4, 12)
LAYOUT = Layout(("a", "b", "c"), (3, 4, 5))
PLACES = {"a": (0, 3), "b": (3, 7), "c": (7, 12)}


@pytest.mark.parametrize("scale", [1.0, -1.0, np.nan])
@pytest.mark.parametrize(("axis", "start", "size"), [(0, 1, 2), (1, 4, 3), (1, 9, 3), (0, 0, 4)])
def test_a_cut_is_a_slice(scale, axis, start, size):
    tree = {"x": scale * S, "y": scale * S[..., None]}
    got = jax.jit(lambda tree: _cuts.cut(tree, start, size, axis=axis))(tree)
    place = (slice(None),) * axis + (slice(start, start + size),)
    jax.tree.map(np.testing.assert_array_equal, got, jax.tree.map(lambda x: x[place], tree))


def test_under_vmap_too():
    stacks = np.stack([S, -S])
    got = jax.vmap(lambda x: _cuts.cut(x, 5, 2, axis=1))(stacks)
    np.testing.assert_array_equal(got, stacks[:, :, 5:7])
    got = jax.vmap(lambda x, y: _cuts.cut((x, y), 5, 2, axis=1), (0, None))(stacks, jnp.asarray(S))
    np.testing.assert_array_equal(got[0], stacks[:, :, 5:7])
    np.testing.assert_array_equal(got[1], stacks[[0, 0], :, 5:7])


def test_no_program_knows_its_place():
    def cuts(S):
        return [_cuts.cut(2 * S, start, 3, axis=1) for start in (0, 3, 6, 9)]

    compiled = jax.jit(cuts).lower(S).compile().as_text()
    assert "dynamic-slice" in compiled
    assert not re.search(r"slice={\[0:4\], \[\d+:\d+\]}", compiled)


def squares(S):
    """Weighs the parts differently, so that each has a gradient of its own."""
    parts = LAYOUT.split(S)
    return sum(i * jnp.sum(part**3) for i, part in enumerate(parts.values(), 1))


def test_a_layout_splits_coordinates():
    parts = LAYOUT.split(jnp.asarray(S))
    for name, (start, stop) in PLACES.items():
        np.testing.assert_array_equal(parts[name], S[:, start:stop])


def test_derivatives_of_all_orders():
    weight = np.repeat([1.0, 2.0, 3.0], LAYOUT.sizes)
    x = S / 10
    np.testing.assert_allclose(jax.grad(squares)(x), 3 * weight * x**2, rtol=1e-6)
    _, slope = jax.jvp(squares, (x,), (np.ones_like(x),))
    np.testing.assert_allclose(slope, np.sum(3 * weight * x**2), rtol=1e-6)
    second = jax.jvp(jax.grad(squares), (x,), (np.ones_like(x),))[1]
    np.testing.assert_allclose(second, 6 * weight * x, rtol=1e-6)
    by_row = jax.vmap(jax.grad(lambda row: squares(row[None])))(x)
    np.testing.assert_allclose(by_row, 3 * weight * x**2, rtol=1e-6)

"""The Space: a mapping of names, a pytree, and what inference asks of it."""

import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spacelearn_jax as sl

SHAPES = {"class": (), "column": (1,), "field": (2, 3), "vector": (4,)}
B, D = 30, 9


def batch(dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((B, D)) + 1.0
    Y = {}
    for q, shape in SHAPES.items():
        p = int(np.prod(shape, dtype=int))
        Y[q] = (Z @ rng.standard_normal((D, p)) + 3.0).reshape(B, *shape).astype(dtype)
    return Z.astype(dtype), Y


@pytest.fixture
def space():
    return sl.solve_subspaces(*batch(), k=3)


def same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_reads_as_a_mapping(space):
    assert list(space) == space.keys() == sorted(SHAPES)
    assert len(space) == 4
    assert "field" in space
    assert "energy" not in space
    W, A, V = space["field"]
    assert (W.shape, A.shape, V.shape) == ((3, D), (3, 6), (6,))
    for (name, parts), value in zip(space.items(), space.values(), strict=True):
        same(parts, space[name])
        same(parts, value)


def test_shapes_follow_the_targets(space):
    assert space.target_shapes == SHAPES
    assert {q: a.shape for q, a in space.A.items()} == {
        "class": (1,),
        "column": (1, 1),
        "field": (3, 6),
        "vector": (3, 4),
    }
    assert {q: m.shape for q, m in space.y_mean.items()} == {
        "class": (1,),
        "column": (1,),
        "field": (6,),
        "vector": (4,),
    }


def test_parts_are_those_of_the_single_functions(x64):
    Z, Y = batch(np.float64)
    space = sl.solve_subspaces(Z, Y, k=2)
    W = sl.subspaces(Z, Y, 2)
    same(dict(space.W), W)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12),
        dict(space.A),
        sl.optim.fit_decoders(W, Z, Y),
    )
    for q, (_, v) in sl.principal_directions(Z, Y).items():
        np.testing.assert_allclose(space.V[q], v, rtol=1e-12)
    np.testing.assert_allclose(space.z_mean, Z.mean(axis=0), rtol=1e-13)
    for q, y in Y.items():
        np.testing.assert_allclose(space.y_mean[q], y.reshape(B, -1).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,)])
def test_any_batch_of_latents(x64, lead):
    space = sl.solve_subspaces(*batch(np.float64), k=3)
    Z = np.random.default_rng(1).standard_normal((*lead, D))
    coordinates, decoded = space.coordinates(Z), space.decode(Z)
    for q, shape in SHAPES.items():
        W, A, _ = (np.asarray(x) for x in space[q])
        S = (Z - np.asarray(space.z_mean)) @ W.T
        np.testing.assert_allclose(coordinates[q], S, rtol=1e-11, atol=1e-13)
        y = S @ A.reshape(len(W), -1) + np.asarray(space.y_mean[q])
        assert decoded[q].shape == (*lead, *shape)
        np.testing.assert_allclose(decoded[q], y.reshape((*lead, *shape)), rtol=1e-11, atol=1e-12)


def test_one_vector_is_a_row_of_a_batch(space):
    Z, _ = batch()
    for method in (space.coordinates, space.decode):
        whole = method(Z)
        for q, value in method(Z[3]).items():
            np.testing.assert_allclose(value, whole[q][3], rtol=2e-5, atol=1e-5)


def test_chosen_names(space):
    Z, _ = batch()
    whole = space.decode(Z)
    assert space.decode(Z, []) == {}
    for names in (["vector", "class"], ("class", "vector", "class"), {"vector", "class"}):
        got = space.decode(Z, names)
        assert list(got) == ["class", "vector"]
        same(got, {q: whole[q] for q in got})


def test_the_whole_latent_space_recovers_linear_targets(x64):
    """Means included: they are what the original forgets."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((B, D)) + 5.0
    Y = {"linear": (Z @ rng.standard_normal((D, 12)) - 7.0).reshape(B, 3, 4)}
    space = sl.solve_subspaces(Z, Y, k=D)
    np.testing.assert_allclose(space.decode(Z)["linear"], Y["linear"], rtol=1e-10, atol=1e-10)
    new = rng.standard_normal((4, D))
    slope = np.linalg.lstsq(Z - Z.mean(axis=0), Y["linear"].reshape(B, -1), rcond=None)[0]
    moved = (new - Z[:4]) @ slope
    got = np.asarray(space.decode(new)["linear"]).reshape(4, -1)
    np.testing.assert_allclose(got, Y["linear"].reshape(B, -1)[:4] + moved, rtol=1e-9, atol=1e-9)


def test_is_a_pytree(space):
    leaves, structure = jax.tree.flatten(space)
    assert len(leaves) == 4 * 4 + 1
    same(jax.tree.unflatten(structure, leaves), space)
    doubled = jax.tree.map(lambda x: 2 * x, space)
    assert isinstance(doubled, sl.Space)
    np.testing.assert_array_equal(doubled.W["field"], 2 * space.W["field"])
    assert doubled.target_shapes == SHAPES
    # Any leaf goes, as transformations put other things than arrays there.
    assert jax.tree.leaves(jax.tree.map(lambda x: None, space)) == []


def test_leaves_have_names(space):
    paths = {jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(space)}
    assert {".z_mean", ".W['field']", ".A['class']", ".V['vector']", ".y_mean['column']"} <= paths


def test_through_jit_scan_and_vmap(space):
    Z, _ = batch()
    expected = space.decode(Z)["field"]
    jitted = jax.jit(lambda space, Z: space.decode(Z))(space, Z)["field"]
    np.testing.assert_allclose(jitted, expected, rtol=2e-5, atol=1e-5)
    same(jax.jit(lambda space: space)(space), space)

    carried, ys = jax.lax.scan(lambda s, z: (s, s.decode(z)["field"]), space, Z)
    same(carried, space)
    np.testing.assert_allclose(ys, expected, rtol=2e-5, atol=1e-5)

    stack = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), space)
    both = jax.vmap(lambda space: space.decode(Z)["field"])(stack)
    np.testing.assert_allclose(both[0], expected, rtol=2e-5, atol=1e-5)
    twice = jax.tree.map(lambda x: 2 * x, space).decode(Z)["field"]
    np.testing.assert_allclose(both[1], twice, rtol=2e-5, atol=1e-5)


def test_solved_under_vmap():
    pairs = [batch(seed=seed) for seed in range(2)]
    Z, Y = jax.tree.map(lambda *x: jnp.stack(x), *pairs)
    stack = jax.vmap(lambda Z, Y: sl.solve_subspaces(Z, Y, k=2))(Z, Y)
    for i, (z, y) in enumerate(pairs):
        alone = sl.solve_subspaces(z, y, k=2)
        for q in SHAPES:
            P, P_alone = (w.T @ w for w in (stack.W[q][i], alone.W[q]))
            np.testing.assert_allclose(P, P_alone, atol=1e-4)


def test_carries_no_gradient():
    Z, Y = batch()
    jacobian = jax.grad(
        lambda Z: sum(jnp.sum(x) for x in jax.tree.leaves(sl.solve_subspaces(Z, Y, k=2)))
    )(Z)
    assert not np.any(jacobian)
    space = sl.solve_subspaces(Z, Y, k=2)
    assert np.any(jax.grad(lambda Z: space.decode(Z)["field"].sum())(Z))


def test_pickle(space):
    again = pickle.loads(pickle.dumps(space))
    same(again, space)
    assert again.target_shapes == SHAPES


def test_replace_and_frozen(space):
    moved = dataclasses.replace(space, z_mean=space.z_mean + 1)
    np.testing.assert_array_equal(moved.W["field"], space.W["field"])
    assert moved.target_shapes == SHAPES
    with pytest.raises(dataclasses.FrozenInstanceError):
        space.z_mean = None


def test_built_by_hand():
    """Shapes of targets are read off the decoders, and names are sorted."""
    W = {"b": np.eye(2, 3, dtype=np.float32), "a": np.eye(1, 3, dtype=np.float32)}
    A = {"b": np.ones((2, 4), np.float32), "a": np.ones(1, np.float32)}
    V = {"b": np.ones(4, np.float32), "a": np.ones(1, np.float32)}
    space = sl.Space(W, A, V)
    assert space.target_shapes == {"a": (), "b": (4,)}
    assert [*space.W, *space.A, *space.V] == ["a", "b"] * 3
    means = {"z_mean": np.zeros(3, np.float32), "y_mean": V}
    field = sl.Space(W, A, V, **means, target_shapes={"a": (1,), "b": [2, 2]})
    assert field.target_shapes == {"a": (1,), "b": (2, 2)}
    decoded = field.decode(np.ones((5, 3), np.float32))
    assert {q: y.shape for q, y in decoded.items()} == {"a": (5, 1), "b": (5, 2, 2)}
    np.testing.assert_array_equal(decoded["b"], np.full((5, 2, 2), 3.0))


def test_coordinates_need_no_mean_of_the_targets():
    Z, Y = batch()
    space = sl.solve_subspaces(Z, Y, k=1)
    alone = dataclasses.replace(space, y_mean=None)
    for q, S in alone.coordinates(Z).items():
        np.testing.assert_array_equal(S, space.coordinates(Z)[q])


def test_dtypes():
    Z, Y = batch()
    space = sl.solve_subspaces(Z.astype(np.float16), Y, k=2)
    assert {x.dtype for x in jax.tree.leaves(space)} == {np.dtype("float32")}
    assert space.decode(Z.astype(jnp.bfloat16))["field"].dtype == jnp.float32


def test_shown_by_shapes():
    Z = jnp.eye(5)
    space = sl.solve_subspaces(Z, {"p": Z[:, :2]}, k=1)
    assert repr(space) == (
        "Space(W={'p': 'float32[1, 5]'}, A={'p': 'float32[1, 2]'}, V={'p': 'float32[2]'}, "
        "z_mean=float32[5], y_mean={'p': 'float32[2]'}, target_shapes={'p': (2,)})"
    )
    assert "z_mean=None" in repr(dataclasses.replace(space, z_mean=None, y_mean=None))
    assert "float32[1, 5]" in repr(jax.eval_shape(lambda: space))

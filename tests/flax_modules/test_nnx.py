"""The tracker as an NNX module, used as BatchNorm is."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from spacelearn_jax import linalg, solve_subspaces
from spacelearn_jax.flax_nnx import SubspaceTracker, SubspaceVariable
from spacelearn_jax.training import WhenDrifted, track_subspaces

from .networks import TARGETS, TRACKED, Network, data, loss_of


def state_of(model):
    return model.tracker.state.get_value()


def assert_same(a, b, **tolerance):
    chex.assert_trees_all_close(nnx.to_pure_dict(a), nnx.to_pure_dict(b), **tolerance)


@nnx.jit
def train_step(model, optimizer, x, Y):
    def loss(model):
        return loss_of(x, Y, *model(x, Y))

    value, grads = nnx.value_and_grad(loss)(model)
    optimizer.update(model, grads)
    return value


def trained(steps):
    model = Network(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    return model, optimizer, [float(train_step(model, optimizer, *data(i))) for i in range(steps)]


def test_training_updates_inside_the_differentiated_function():
    model, optimizer, losses = trained(8)
    assert int(state_of(model).step) == 8
    assert int(state_of(model).refreshes) == 3  # updates 1, 4 and 7
    assert losses[-1] < losses[0]
    # The state is no parameter: neither differentiated nor optimized.
    moved = nnx.state(optimizer, nnx.optimizer.OptState)
    assert not any("tracker" in str(path) for path, _ in jax.tree.leaves_with_path(moved))
    assert set(nnx.state(model, nnx.Param)) == {"encoder", "head"}
    assert set(nnx.state(model, SubspaceVariable)) == {"tracker"}


def test_it_is_the_functional_tracker():
    model, _, _ = trained(1)
    tracker = track_subspaces(**TRACKED)
    state = state_of(model)
    x, Y = data(50)
    y, z, space = model(x, Y)
    expected = tracker.update(z, Y, state)
    chex.assert_trees_all_close(state_of(model), expected, atol=1e-6)
    chex.assert_trees_all_close(space, expected.space, atol=1e-6)
    chex.assert_trees_all_equal(model.tracker.W_prev, state_of(model).W_prev)


def test_the_first_update_solves():
    module = SubspaceTracker(4, TARGETS, k=2)
    x, Y = data(0)
    expected = solve_subspaces(x, Y, k=2)
    chex.assert_trees_all_close(module(x, Y), expected, atol=1e-5)


def test_evaluation_leaves_the_state_alone():
    model, _, _ = trained(2)
    before = jax.tree.map(np.asarray, state_of(model))
    model.eval()
    x, _ = data(9)
    _, z, space = model(x)
    chex.assert_trees_all_equal(state_of(model), before)
    chex.assert_trees_all_equal(space, before.space)
    assert space.decode(z)["p"].shape == (32, 2)
    chex.assert_trees_all_equal(model.tracker(z, data(9)[1]), before.space)
    model.train()
    model(*data(9))
    assert int(state_of(model).step) == int(before.step) + 1
    # The call decides over the module.
    model.tracker(use_running_average=True)
    assert int(state_of(model).step) == int(before.step) + 1
    stored = SubspaceTracker(8, TARGETS, k=2, use_running_average=True)
    stored(z, data(9)[1], use_running_average=False)
    assert int(stored.state.get_value().step) == 1


def test_gradient_is_that_with_constant_subspaces():
    model, _, _ = trained(1)
    x, Y = data(3)
    grads = nnx.grad(lambda m: loss_of(x, Y, *m(x, Y)))(model)
    assert set(grads) == {"encoder", "head"}
    constant = state_of(model).space  # as it is after the update above

    def with_constants(m):
        y, z, _ = m(x, Y)
        return loss_of(x, Y, y, z, constant)

    # The second of two updates after a refresh solves nothing.
    assert_same(grads, nnx.grad(with_constants)(model), atol=1e-6)


def test_split_and_merge():
    model, _, _ = trained(2)
    graph, params, subspaces, rest = nnx.split(model, nnx.Param, SubspaceVariable, ...)
    assert not jax.tree.leaves(rest)
    copied = jax.tree.map(jnp.copy, (params, subspaces))
    again = nnx.merge(graph, *copied)
    x, Y = data(4)
    chex.assert_trees_all_close(again(x, Y), model(x, Y), atol=1e-6)

    @jax.jit
    def pure(params, subspaces):
        copy = nnx.merge(graph, params, subspaces)
        copy(x, Y)
        return nnx.state(copy, SubspaceVariable)

    after = pure(*nnx.state(model, nnx.Param, SubspaceVariable))
    model(x, Y)
    assert_same(after, nnx.state(model, SubspaceVariable), atol=1e-6)


def test_equal_modules_share_one_graph():
    first, second = (Network(nnx.Rngs(seed)) for seed in range(2))
    assert nnx.split(first)[0] == nnx.split(second)[0]
    assert hash(nnx.split(first)[0]) == hash(nnx.split(second)[0])
    other = SubspaceTracker(8, TARGETS, **(TRACKED | {"every": 4}))
    assert nnx.split(other)[0] != nnx.split(first.tracker)[0]


def test_an_ensemble_by_vmap():
    @nnx.split_rngs(splits=3)
    @nnx.vmap
    def create(rngs):
        return Network(rngs)

    ensemble = create(nnx.Rngs(0))
    x, Y = data(0)

    @nnx.jit
    def losses(ensemble):
        member = nnx.vmap(lambda m: loss_of(x, Y, *m(x, Y)))
        return member(ensemble)

    assert losses(ensemble).shape == (3,)
    np.testing.assert_array_equal(state_of(ensemble).step, [1, 1, 1])
    assert state_of(ensemble).space.W["p"].shape == (3, 2, 8)


def test_scan_over_steps():
    xs, Ys = jax.tree.map(lambda *leaves: np.stack(leaves), *[data(i) for i in range(4)])
    model = Network(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    @nnx.scan(in_axes=(nnx.Carry, 0, 0), out_axes=(nnx.Carry, 0))
    def epoch(carry, x, Y):
        return carry, train_step(*carry, x, Y)

    _, losses = epoch((model, optimizer), xs, Ys)
    looped, _, expected = trained(4)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert int(state_of(model).step) == 4
    assert_same(nnx.state(model, nnx.Param), nnx.state(looped, nnx.Param), atol=1e-4)


def test_missing_quantities_and_masks():
    module = SubspaceTracker(4, TARGETS, k=1, missing=True, every=1)
    x, Y = data(0)
    where = {"p": np.arange(32) < 20, "s": np.arange(32) >= 10}
    spoilt = Y | {"s": np.where(where["s"], Y["s"], np.float32(np.nan))}
    expected = solve_subspaces(x, spoilt, k=1, where=where)
    chex.assert_trees_all_close(module(x, spoilt, where=where), expected, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"every": optax.constant_schedule(2)},
        {"every": WhenDrifted(0.1), "solver": linalg.LowRank(2), "rngs": nnx.Rngs(0)},
    ],
    ids=["schedule", "drift"],
)
def test_options_of_the_tracker(options):
    module = SubspaceTracker(4, TARGETS, k=2, **options)
    assert nnx.jit(lambda m, x, Y: m(x, Y))(module, *data(0)).W["p"].shape == (2, 4)


@pytest.mark.parametrize(
    ("kind", "match", "call"),
    [
        (ValueError, "Z and Y must be given in training", lambda: Network(nnx.Rngs(0)).tracker()),
        (TypeError, "num_features must be an int", lambda: SubspaceTracker(4.0, TARGETS, k=2)),
        (TypeError, "targets must be a mapping", lambda: SubspaceTracker(4, [(2,)], k=2)),
        (
            ValueError,
            r"k\['p'\] must be at most min\(D, p\) = 2",
            lambda: SubspaceTracker(4, TARGETS, k={"p": 3, "s": 1}),
        ),
        (
            TypeError,
            "use_running_average must be True or False",
            lambda: SubspaceTracker(4, TARGETS, k=2, use_running_average=1),
        ),
        (
            ValueError,
            "Z must be of shape .* with D = 5 as in init",
            lambda: SubspaceTracker(5, TARGETS, k=2)(*data(0)),
        ),
    ],
)
def test_errors(kind, match, call):
    with pytest.raises(kind, match=match):
        call()


def test_widths_do_for_target_shapes():
    by_width, by_shape = (SubspaceTracker(6, {"p": p}, k=1) for p in (3, (3,)))
    chex.assert_trees_all_equal_shapes(by_width.state.get_value(), by_shape.state.get_value())
    for shape, kind in ((None, TypeError), ((-3,), ValueError)):
        with pytest.raises(kind, match=r"SubspaceTracker: targets\['p'\] must be "):
            SubspaceTracker(6, {"p": shape}, k=1)
    with pytest.raises(TypeError, match="SubspaceTracker: dtype must be a floating dtype"):
        SubspaceTracker(6, {"p": 3}, k=1, dtype="foo")


def test_a_threshold_may_be_an_array():
    assert hash(WhenDrifted(jnp.array(0.5))) == hash(WhenDrifted(0.5))


def test_numbers_of_jax_make_a_hashable_graph():
    one = SubspaceTracker(4, {"p": (3,)}, k=2, decay=jnp.float32(0.5))
    other = SubspaceTracker(4, {"p": (3,)}, k=2, decay=0.5)
    assert hash(nnx.graphdef(one)) == hash(nnx.graphdef(other))


def test_the_name_of_all_rows_is_refused_beside_missing_quantities():
    with pytest.raises(ValueError, match=r"SubspaceTracker: targets\[''\] must be named"):
        SubspaceTracker(4, {"": (3,)}, k=2, missing=True)

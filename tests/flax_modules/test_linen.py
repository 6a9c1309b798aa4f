"""The tracker as a Linen module, used as BatchNorm is."""

import chex
import flax
import jax
import numpy as np
import optax
import pytest

from spacelearn_jax import Moments, solve_subspaces
from spacelearn_jax.flax_linen import SubspaceTracker
from spacelearn_jax.loss import gradient_norm_balance, gradnorm, relobralo, uncertainty
from spacelearn_jax.training import track_subspaces

from .networks import TRACKED, LinenNetwork, data, loss_of

MODEL = LinenNetwork()
OPTIMIZER = optax.adam(1e-2)


def start():
    variables = MODEL.init(jax.random.key(0), *data(0))
    return variables["params"], variables["space"]


@jax.jit
def train_step(params, space, opt_state, x, Y):
    def loss(params):
        outputs, changed = MODEL.apply({"params": params, "space": space}, x, Y, mutable=["space"])
        return loss_of(x, Y, *outputs), changed["space"]

    (value, space), grads = jax.value_and_grad(loss, has_aux=True)(params)
    updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), space, opt_state, value


def test_training():
    params, space = start()
    opt_state, losses = OPTIMIZER.init(params), []
    for i in range(8):
        params, space, opt_state, value = train_step(params, space, opt_state, *data(i))
        losses.append(float(value))
    state = space["tracker"]["state"]
    assert int(state.step) == 8
    assert int(state.refreshes) == 3  # init, updates 3 and 6
    assert losses[-1] < losses[0]
    assert set(params) == {"encoder", "head"}
    assert train_step._cache_size() == 1


def test_it_is_the_functional_tracker():
    params, space = start()
    x, Y = data(1)
    tracker = track_subspaces(**TRACKED)
    (_, z0, first), _ = MODEL.apply(
        {"params": params, "space": space}, data(0)[0], data(0)[1], mutable=["space"]
    )
    expected = tracker.init(z0, data(0)[1])
    chex.assert_trees_all_close(space["tracker"]["state"], expected, atol=1e-5)
    (_, z, _), changed = MODEL.apply({"params": params, "space": space}, x, Y, mutable=["space"])
    expected = tracker.update(z, Y, expected)
    chex.assert_trees_all_close(changed["space"]["tracker"]["state"], expected, atol=1e-5)


def test_init_solves():
    x, Y = data(0)
    space, variables = SubspaceTracker(k=2).init_with_output(jax.random.key(0), x, Y)
    chex.assert_trees_all_close(space, solve_subspaces(x, Y, k=2), atol=1e-5)
    assert set(variables) == {"space"}


def test_variables_go_through_flax_serialization():
    variables = {"params": start()[0], "space": start()[1]}
    blank = jax.tree.map(np.zeros_like, variables)
    restored = flax.serialization.from_bytes(blank, flax.serialization.to_bytes(variables))
    chex.assert_trees_all_equal(restored, variables)
    assert jax.tree.structure(restored) == jax.tree.structure(variables)


def test_moments_and_spaces_go_through_flax_serialization():
    x, Y = data(0)
    for value in (Moments.from_batch(x, Y), solve_subspaces(x, Y, k=2)):
        blank = jax.tree.map(np.zeros_like, value)
        restored = flax.serialization.from_bytes(blank, flax.serialization.to_bytes(value))
        chex.assert_trees_all_equal(restored, value)
        assert jax.tree.structure(restored) == jax.tree.structure(value)


def test_balancers_go_through_flax_serialization():
    for make in (relobralo, gradnorm, uncertainty, gradient_norm_balance):
        state = make().init(("a", "b"))
        restored = flax.serialization.from_bytes(state, flax.serialization.to_bytes(state))
        chex.assert_trees_all_equal(restored, state)


def test_sizes_by_name_leave_a_module_hashable():
    first, second = (SubspaceTracker(k={"p": 2, "s": 1}) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    x, Y = data(0)
    space, _ = first.init_with_output(jax.random.key(0), x, Y)
    assert [len(w) for w in space.W.values()] == [2, 1]


def test_variables_of_other_dimensions_are_refused():
    x, Y = data(0)
    variables = SubspaceTracker(k=1).init(jax.random.key(0), x, Y)
    with pytest.raises(ValueError, match="state must be of subspaces of k = 2 dimensions for 'p'"):
        SubspaceTracker(k=2).apply(variables, x, Y, mutable=["space"])


def test_evaluation_changes_nothing_and_needs_no_targets():
    params, space = start()
    variables = {"params": params, "space": space}
    stored = space["tracker"]["state"].space
    (_, z, got), changed = MODEL.apply(variables, data(5)[0], train=False, mutable=["space"])
    chex.assert_trees_all_equal(changed["space"], space)
    chex.assert_trees_all_equal(got, stored)
    _, changed = MODEL.apply(variables, *data(5), train=False, mutable=["space"])
    chex.assert_trees_all_equal(changed["space"], space)
    _, _, got = jax.jit(lambda v, x: MODEL.apply(v, x, train=False))(variables, data(5)[0])
    chex.assert_trees_all_equal(got, stored)
    assert got.decode(z)["s"].shape == (32,)
    always = SubspaceTracker(k=2, use_running_average=True)
    variables = always.init(jax.random.key(0), z, data(5)[1])
    chex.assert_trees_all_equal(always.apply(variables, z), variables["space"]["state"].space)


def test_a_state_is_made_by_init_alone():
    tracker, Z = SubspaceTracker(k=2), np.eye(8, dtype=np.float32)
    with pytest.raises(ValueError, match="the collection 'space' must be given to apply"):
        tracker.apply({}, Z, {"p": Z[:, :3]}, mutable=["space"])


def test_masks_by_quantity():
    module = SubspaceTracker(k=1, every=1)
    x, Y = data(0)
    where = {"p": np.arange(32) < 20, "s": np.arange(32) >= 10}
    variables = module.init(jax.random.key(0), x, Y, where=where)
    space, _ = module.apply(variables, x, Y, where=where, mutable=["space"])
    chex.assert_trees_all_close(space, solve_subspaces(x, Y, k=1, where=where), atol=1e-5)


def test_training_without_mutable_says_so():
    params, space = start()
    with pytest.raises(flax.errors.ModifyScopeVariableError, match="mutable"):
        MODEL.apply({"params": params, "space": space}, *data(0))


@pytest.mark.parametrize("stored", [True, False])
def test_targets_are_needed_until_the_state_is_there(stored):
    with pytest.raises(ValueError, match="Y must be given in training and in init"):
        SubspaceTracker(k=2, use_running_average=stored).init(jax.random.key(0), data(0)[0])


def test_evaluation_without_the_collection_asks_for_it():
    """And not for targets, which would not help."""
    tracker = SubspaceTracker(k=2, use_running_average=True)
    with pytest.raises(ValueError, match="the collection 'space' must be given to apply"):
        tracker.apply({}, np.eye(8, dtype=np.float32))

"""When a refresh happens, and what a step costs when none does."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from spacelearn_jax._moments import Sums, misfit
from spacelearn_jax.training import WhenDrifted, track_subspaces

from ..jaxprs import FACTORIZATIONS, equations
from .batches import K, mixed, projector, run, with_covariance

EVERY_3 = track_subspaces(K, every=3)


def refreshes(tracker, steps, batch=None):
    """Returns the number of refreshes after every update."""
    state = tracker.init(*mixed(0))
    update, counts = jax.jit(tracker.update), []
    for step in range(steps):
        state = update(*(batch or mixed(step + 1)), state)
        counts.append(int(state.refreshes))
        assert int(state.step) == step + 1
    return counts


def test_every_n_updates():
    assert refreshes(EVERY_3, 7) == [1, 1, 2, 2, 2, 3, 3]


def test_every_by_a_schedule():
    schedule = lambda step: jnp.where(step < 2, 1.0, 2.5)  # noqa: E731
    assert refreshes(track_subspaces(K, every=schedule), 9) == [2, 3, 3, 3, 4, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("interval", "expected"), [(np.inf, [1, 1, 1]), (np.nan, [2, 3, 4]), (-1.0, [2, 3, 4])]
)
def test_every_by_a_schedule_out_of_range(interval, expected):
    schedule = lambda step: jnp.asarray(interval, jnp.float32)  # noqa: E731
    assert refreshes(track_subspaces(K, every=schedule), 3) == expected


def test_every_by_a_schedule_of_optax():
    schedule = optax.linear_schedule(1, 4, 3)
    with jax.numpy_dtype_promotion("standard"):
        assert refreshes(track_subspaces(K, every=schedule), 8) == [2, 2, 2, 2, 3, 3, 3, 3]


def test_between_refreshes_only_moments_and_counters_change():
    state = EVERY_3.init(*mixed(0))
    after = EVERY_3.update(*mixed(1), state)
    jax.tree.map(np.testing.assert_array_equal, after.space, state.space)
    jax.tree.map(np.testing.assert_array_equal, after.W_prev, state.W_prev)
    assert float(after.drift) == 0.0
    assert int(after.since) == 1
    assert not np.allclose(after.moments.Szz[""], state.moments.Szz[""])


def test_drift_and_the_bases_before():
    state = run(EVERY_3, [mixed(0)] * 3)
    before = state.space
    state = EVERY_3.update(*mixed(7), state)
    assert int(state.refreshes) == 2
    assert int(state.since) == 0
    moved = []
    for q in K:
        np.testing.assert_array_equal(state.W_prev[q], before.W[q])
        P, P_prev = projector(state.space.W[q]), projector(before.W[q])
        moved.append(0.5 * np.sum((P - P_prev) ** 2))
    np.testing.assert_allclose(state.drift, np.mean(moved), rtol=1e-3)
    assert float(state.drift) > 0


def covariance(turn, s=(3.0, 1.0)):
    """Returns a cross-covariance whose left singular vectors are turned by an angle."""
    c, d = np.cos(turn), np.sin(turn)
    U = np.zeros((6, 2))
    U[0], U[1], U[2, 0], U[2, 1] = [c, 0], [0, c], d, 0
    U[3, 1] = d
    return {"p": U * s}


class TestWhenDrifted:
    tracker = track_subspaces(2, every=WhenDrifted(0.3), decay=0.5)
    narrow = track_subspaces(1, every=WhenDrifted(0.3), decay=0.5)

    def test_not_where_the_data_stay(self):
        batch = with_covariance(covariance(0.0))
        state = run(self.tracker, [batch] * 6)
        assert int(state.refreshes) == 1
        louder = with_covariance({"p": 5 * covariance(0.0)["p"]})
        assert int(self.tracker.update(*louder, state).refreshes) == 1

    def test_where_the_data_turn(self):
        still, turned = with_covariance(covariance(0.0)), with_covariance(covariance(0.6))
        state = run(self.tracker, [still] * 2 + [turned] * 6)
        assert int(state.refreshes) > 1
        overlap = state.space.W["p"] @ covariance(0.6, (1, 1))["p"].astype(np.float32)
        assert np.linalg.svd(overlap)[1].min() > np.sqrt(1 - 0.3**2)
        settled = run(self.tracker, [still] * 2 + [turned] * 9)
        assert int(settled.refreshes) == int(state.refreshes)

    def test_where_another_direction_takes_the_lead(self):
        # The old direction is still a singular vector, only no longer the leading one.
        before = with_covariance(covariance(0.0, (2.0, 1.0)))
        after = with_covariance(covariance(0.0, (1.0, 2.0)))
        state = run(self.narrow, [before] * 2 + [after] * 6)
        np.testing.assert_allclose(np.abs(state.space.W["p"]), np.eye(6)[1:2], atol=1e-3)

    def test_where_nothing_was_found_at_first(self):
        nothing = with_covariance({"p": np.zeros((6, 2))})
        state = run(self.tracker, [nothing] + [with_covariance(covariance(0.6))] * 2)
        assert int(state.refreshes) == 2


def moments(C):
    zero = jnp.zeros(6)
    return Sums(
        n={"": jnp.ones(())},
        z_mean={"": zero},
        Szz={"": jnp.eye(6)},
        y_mean={q: jnp.zeros(c.shape[1]) for q, c in C.items()},
        Szy={q: jnp.asarray(c, jnp.float32) for q, c in C.items()},
    )


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_misfit_is_its_formula(scale):
    C = {"p": scale * covariance(0.0)["p"]}
    angle = 0.3
    w = np.zeros((1, 6), np.float32)
    w[0, 0], w[0, 5] = np.cos(angle), np.sin(angle)
    # C C^T w points along the first axis.
    np.testing.assert_allclose(misfit(moments(C), {"p": w}), np.sin(angle), rtol=1e-5)
    trailing = np.eye(6, dtype=np.float32)[1:2]
    expected = np.sqrt((9 - 1) / 9)
    np.testing.assert_allclose(misfit(moments(C), {"p": trailing}), expected, rtol=1e-5)
    both = np.eye(6, dtype=np.float32)[:2]
    turned = np.array([[0.6, 0.8], [-0.8, 0.6]], np.float32) @ both
    assert float(misfit(moments(C), {"p": turned})) < 1e-6


def test_the_solve_is_inside_the_condition_only():
    for every in (3, WhenDrifted(0.1)):
        tracker = track_subspaces(K, every=every)
        state = jax.eval_shape(tracker.init, *mixed(0))
        program = jax.make_jaxpr(tracker.update)(*mixed(0), state)
        anywhere = {eqn.primitive.name for eqn in equations(program)}
        outside = {eqn.primitive.name for eqn in equations(program, lambda name: name != "cond")}
        assert "cond" in outside
        assert not outside & FACTORIZATIONS
        assert {"svd", "eigh"} <= anywhere
        assert not {name for name in anywhere if "callback" in name or "infeed" in name}


def test_one_trace_serves_every_step():
    chex.clear_trace_counter()
    step = jax.jit(chex.assert_max_traces(EVERY_3.update, n=1))
    state = EVERY_3.init(*mixed(0))
    for i in range(7):
        state = step(*mixed(i), state, np.arange(24) < 24 - i)
    assert int(state.refreshes) == 3
    assert step._cache_size() == 1


def test_no_gradient_flows_through_the_state():
    state = EVERY_3.init(*mixed(0))
    every_step = track_subspaces(K, every=1)

    def everything(Z, Y, scale):
        old = jax.tree.map(lambda x: x * scale if x.dtype == jnp.float32 else x, state)
        new = every_step.update(Z, Y, old)
        floats = [x for x in jax.tree.leaves(new) if x.dtype == jnp.float32]
        return sum(jnp.sum(jnp.square(x)) for x in floats)

    grads = jax.grad(everything, argnums=(0, 1, 2))(*mixed(1), 1.0)
    jax.tree.map(lambda g: np.testing.assert_array_equal(g, np.zeros_like(g)), grads)


def test_an_ensemble_is_its_members():
    batches = [[mixed(10 * member + i) for i in range(4)] for member in range(3)]
    stack = lambda xs: jax.tree.map(lambda *leaves: np.stack(leaves), *xs)  # noqa: E731
    state = jax.vmap(EVERY_3.init)(*stack([b[0] for b in batches]))
    update = jax.jit(jax.vmap(EVERY_3.update))
    for i in range(1, 4):
        state = update(*stack([b[i] for b in batches]), state)
    alone = stack([run(EVERY_3, b) for b in batches])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), state, alone)
    np.testing.assert_array_equal(state.refreshes, [2, 2, 2])


def test_scan_over_steps_is_the_loop():
    batches = [mixed(i) for i in range(8)]
    start = EVERY_3.init(*batches[0])
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *batches[1:])

    def step(state, batch):
        state = EVERY_3.update(*batch, state)
        return state, state.drift

    final, drifts = jax.lax.scan(step, start, stacked)
    loop = run(EVERY_3, batches)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), final, loop)
    assert drifts.shape == (7,)
    assert int(final.refreshes) == 3


def test_a_nan_shows_whenever_drift_is_asked_for():
    tracker = track_subspaces(K, every=WhenDrifted(0.5))
    state = run(tracker, [mixed(0)])
    Z, Y = mixed(1)
    state = tracker.update(np.where(np.arange(len(Z))[:, None] == 0, np.nan, Z), Y, state)
    assert all(np.isnan(W).all() for W in state.space.W.values())

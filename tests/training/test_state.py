"""The state as a pytree: donated, never aliased, checked against the batch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import linalg
from spacelearn_jax.training import TrackerState, WhenDrifted, track_subspaces
from spacelearn_jax.training._tracker import empty_state

from .batches import D, K, assert_same_space, mixed

TRACKER = track_subspaces(K, every=2)
SHAPES = {"p": (3, 1), "s": ()}


def pointers(state):
    return [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state)]


@pytest.mark.parametrize("start", ["init", "empty"])
def test_donation_in_a_loop(start):
    if start == "empty":
        state = empty_state(TRACKER, D, SHAPES, jnp.float32, missing=False)
    else:
        state = TRACKER.init(*mixed(0))
    kept = TRACKER.init(*mixed(0)) if start != "empty" else jax.tree.map(jnp.copy, state)
    update = jax.jit(TRACKER.update, donate_argnums=2)
    for i in range(5):
        assert len(set(pointers(state))) == len(jax.tree.leaves(state))
        old, state = state, update(*mixed(i), state)
        kept = TRACKER.update(*mixed(i), kept)
        assert all(x.is_deleted() for x in jax.tree.leaves(old))
    assert_same_space(state.space, kept.space, 1e-6)
    for q in K:
        np.testing.assert_allclose(state.W_prev[q], kept.W_prev[q], atol=1e-6)


def test_eager_updates_leave_the_old_state_usable():
    state = TRACKER.init(*mixed(0))
    for i in range(3):
        new = TRACKER.update(*mixed(i), state)
        for q in K:
            assert not {new.W_prev[q].unsafe_buffer_pointer()} & {
                w.unsafe_buffer_pointer() for w in new.space.W.values()
            }
        assert not any(x.is_deleted() for x in jax.tree.leaves(state))
        state = new


def test_the_first_update_of_an_empty_state_solves():
    empty = empty_state(TRACKER, D, SHAPES, jnp.float32, missing=False)
    assert int(empty.refreshes) == 0
    nothing = TRACKER.update(*mixed(0), empty, np.zeros(24, bool))
    assert int(nothing.refreshes) == 0
    state = TRACKER.update(*mixed(0), nothing)
    assert int(state.refreshes) == 1
    assert float(state.drift) < 1e-12
    assert_same_space(state.space, TRACKER.init(*mixed(0)).space, 1e-5)


@pytest.mark.parametrize("few", [0, 1])  # one row covaries with nothing
@pytest.mark.parametrize("started", ["with the other", "without a row"])
def test_a_quantity_is_solved_with_its_first_rows(started, few):
    tracker = track_subspaces(K, every=100, align=False, decay=0.0)
    none, every = np.arange(24) < few, np.ones(24, bool)
    where = {"p": every if started == "with the other" else none, "s": none}
    state = tracker.init(*mixed(0), where=where)
    assert not np.any(state.space.A["s"])
    state = tracker.update(*mixed(1), state, {"p": every, "s": none})
    state = tracker.update(*mixed(2), state, {"p": every, "s": every})
    expected = tracker.init(*mixed(2)).space
    np.testing.assert_allclose(np.abs(state.space.W["s"]), np.abs(expected.W["s"]), atol=1e-4)
    # It has not moved from anywhere; the other one has.
    np.testing.assert_array_equal(state.W_prev["s"], state.space.W["s"])
    assert np.any(state.W_prev["p"] != state.space.W["p"])
    refreshes = int(state.refreshes)
    state = tracker.update(*mixed(3), state, {"p": every, "s": every})
    assert int(state.refreshes) == refreshes


@pytest.mark.parametrize("few", [0, 1])
def test_a_start_without_valid_rows_solves_at_the_next_update(few):
    tracker = track_subspaces(K, every=100, align=False, decay=0.0)
    state = tracker.init(*mixed(0), where=np.arange(24) < few)
    assert int(state.refreshes) == 0
    state = tracker.update(*mixed(0), state)
    assert int(state.refreshes) == 1
    assert_same_space(state.space, tracker.init(*mixed(0)).space, 1e-5)


def test_a_float64_state_is_refused_without_64_bits():
    with jax.enable_x64(True):
        Z, Y = mixed(0)
        state = TRACKER.init(Z.astype(jnp.float64), Y)
    with pytest.raises(TypeError, match="state must be of float32, .* got one of float64"):
        TRACKER.update(*mixed(0), state)


def test_the_state_round_trips_as_a_pytree():
    state = TRACKER.init(*mixed(0))
    leaves, structure = jax.tree.flatten(state)
    assert isinstance(jax.tree.unflatten(structure, leaves), TrackerState)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(state)]
    assert len(set(paths)) == len(paths)
    assert ".space.W['p']" in paths
    assert ".moments.Szy['p']" in paths


def test_one_size_for_all_is_capped_by_each():
    state = track_subspaces(4).init(*mixed(0))
    assert {q: w.shape for q, w in state.space.W.items()} == {"p": (3, D), "s": (1, D)}


Z, Y = mixed(0)
STATE = jax.tree.map(np.asarray, jax.jit(TRACKER.init)(Z, Y))
HAS_ALL = {q: np.ones(24, bool) for q in Y}


def scheduled(every):
    return track_subspaces(K, every=every).update(Z, Y, STATE)


BAD_UPDATES = {
    "state first": (TypeError, r"state must be a TrackerState, got a dict.*update\(Z, Y, state\)",
                    lambda: TRACKER.update(Z, Y, Y)),
    "missing": (ValueError, r"Y must be a mapping that holds 's'",
                lambda: TRACKER.update(Z, {"p": Y["p"]}, STATE)),
    "unknown": (ValueError, r"the unknown name 'q'.*",
                lambda: TRACKER.update(Z, Y | {"q": Y["s"]}, STATE)),
    "target shape": (ValueError, r"Y\['p'\] must be .*trailing axes \(3, 1\).*\(24, 3\)",
                     lambda: TRACKER.update(Z, Y | {"p": Y["p"][..., 0]}, STATE)),
    "D": (ValueError, r"Z must be of shape \(B, D\) with D = 6 as in init, got shape \(24, 5\)",
          lambda: TRACKER.update(Z[:, :5], Y, STATE)),
    "rows": (ValueError, r"Y\['p'\] must be of 23 rows", lambda: TRACKER.update(Z[1:], Y, STATE)),
    "where by name": (ValueError, r"where must be of shape \(B,\), as in init, got a mapping",
                      lambda: TRACKER.update(Z, Y, STATE, HAS_ALL)),
    "where dtype": (TypeError, r"where must be of dtype bool",
                    lambda: TRACKER.update(Z, Y, STATE, np.ones(24))),
    "axis": (ValueError, r"axis_name must be an axis",
             lambda: TRACKER.update(Z, Y, STATE, axis_name="i")),
    "integer Z": (TypeError, r"Z must be of a floating dtype",
                  lambda: TRACKER.update(Z.astype(int), Y, STATE)),
    "every of truths": (TypeError, r"update: every\(step\) must be a number .* got dtype bool",
                        lambda: scheduled(lambda step: step % 10 == 0)),
    "every of vectors": (ValueError, r"every\(step\) must be a number .* got shape \(2,\)",
                         lambda: scheduled(lambda step: jnp.ones(2))),
    "every of nothing": (TypeError, r"every\(step\) must be a number .* got None",
                         lambda: scheduled(lambda step: None)),
}  # fmt: skip


@dataclasses.dataclass
class _Schedule:
    """It compares by value, and so has no hash."""

    interval: int

    def __call__(self, step):
        return self.interval


BAD_STARTS = {
    "k too big": (ValueError, r"k\['p'\] must be at most min\(D, p\) = 3, got 4",
                  lambda: track_subspaces({"p": 4, "s": 1}).init(Z, Y)),
    "k lacks a name": (ValueError, r"k must be a mapping that holds 's'",
                       lambda: track_subspaces({"p": 2}).init(Z, Y)),
    "rank": (ValueError, r"solver must be of rank at least 2",
             lambda: track_subspaces(K, solver=linalg.LowRank(1)).init(Z, Y)),
    "one row": (ValueError, r"Z must be a batch of at least 2 rows",
                lambda: TRACKER.init(Z[:1], {q: y[:1] for q, y in Y.items()})),
    "k": (TypeError, r"track_subspaces: k must be an int", lambda: track_subspaces(2.0)),
    "k zero": (ValueError, r"k must be at least 1", lambda: track_subspaces(0)),
    "k empty": (ValueError, r"k must be a mapping with at least one", lambda: track_subspaces({})),
    "every unhashable": (TypeError, r"every must be a hashable schedule, got a _Schedule",
                         lambda: track_subspaces(2, every=_Schedule(3))),
    "every": (ValueError, r"every must be at least 1", lambda: track_subspaces(2, every=0)),
    "every float": (TypeError, r"every must be an int", lambda: track_subspaces(2, every=2.5)),
    "decay": (ValueError, r"decay must be in \[0, 1\]", lambda: track_subspaces(2, decay=1.1)),
    "align": (TypeError, r"align must be True or False", lambda: track_subspaces(2, align="yes")),
    "solver": (ValueError, r"solver must be one of", lambda: track_subspaces(2, solver="qr")),
    "threshold": (ValueError, r"WhenDrifted: threshold must be in \(0, 1\]",
                  lambda: WhenDrifted(0.0)),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "match", "call"), [*BAD_UPDATES.values(), *BAD_STARTS.values()],
                         ids=[*BAD_UPDATES, *BAD_STARTS])  # fmt: skip
def test_errors_say_what_to_do(kind, match, call):
    with pytest.raises(kind, match=match):
        call()


@pytest.mark.parametrize("name", ["target shape", "D", "where by name"])
def test_errors_come_at_trace_time_too(name):
    kind, match, call = BAD_UPDATES[name]
    with pytest.raises(kind, match=match):
        jax.jit(call)()


@pytest.mark.parametrize("solver", ["eigen", linalg.LowRank(3)])
def test_solvers(solver):
    state = track_subspaces(K, every=1, solver=solver).update(Z, Y, STATE)
    assert_same_space(state.space, track_subspaces(K, every=1).update(Z, Y, STATE).space, 1e-4)

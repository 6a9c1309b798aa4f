"""What the decayed moments hold: every row, with its weight, and no other."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import solve_subspaces
from spacelearn_jax._moments import merge
from spacelearn_jax.training import track_subspaces

from .batches import D, K, assert_same_space, joined, mixed, projector, run

STEADY = track_subspaces(K, every=1, decay=1.0, align=False)
FADING = track_subspaces(K, every=1, decay=0.7, align=False)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_init_is_solve_subspaces(dtype, x64):
    Z, Y = mixed(0, dtype=dtype)
    assert_same_space(STEADY.init(Z, Y).space, solve_subspaces(Z, Y, k=K), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_without_decay_many_batches_are_the_solve_on_all_rows(dtype, x64):
    batches = [mixed(seed, dtype=dtype) for seed in range(12)]
    whole = solve_subspaces(*joined(batches), k=K)
    assert_same_space(run(STEADY, batches).space, whole, TOLERANCE[dtype])


def test_decay_weighs_rows_as_its_formula(x64):
    batches = [mixed(seed, dtype="float64") for seed in range(5)]
    space = run(FADING, batches).space
    Z, Y = joined(batches)
    w = np.repeat(0.7 ** np.arange(4, -1, -1), 24)
    w /= w.sum()
    z_mean = w @ Z
    np.testing.assert_allclose(space.z_mean, z_mean, rtol=1e-10)
    Zc = (Z - z_mean) * np.sqrt(w)[:, None]
    for q, k in K.items():
        y = np.asarray(Y[q]).reshape(len(Z), -1)
        yc = (y - w @ y) * np.sqrt(w)[:, None]
        U = np.linalg.svd(Zc.T @ yc)[0][:, :k]
        np.testing.assert_allclose(projector(space.W[q]), U @ U.T, atol=1e-10)
        A = np.linalg.lstsq(Zc @ space.W[q].T, yc)[0]
        np.testing.assert_allclose(space.A[q].reshape(k, -1), A, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(space.y_mean[q], w @ y, rtol=1e-10)


def test_decay_zero_sees_the_last_batch_alone():
    forgetful = track_subspaces(K, every=1, decay=0.0, align=False)
    state = run(forgetful, [mixed(seed) for seed in range(3)])
    assert_same_space(state.space, solve_subspaces(*mixed(2), k=K), 1e-5)


def test_batches_of_different_sizes_weigh_by_rows():
    batches = [mixed(0, B=24), mixed(1, B=8), mixed(2, B=40)]
    assert_same_space(run(STEADY, batches).space, solve_subspaces(*joined(batches), k=K), 1e-5)


def test_a_mask_is_the_subset():
    first, (Z, Y) = mixed(0), mixed(1)
    kept = np.arange(24) < 17
    bad_Z = np.where(kept[:, None], Z, np.float32(np.nan))
    bad_Y = {
        q: np.where(kept.reshape(-1, *[1] * (y.ndim - 1)), y, np.float32(np.nan))
        for q, y in Y.items()
    }
    subset = {q: y[:17] for q, y in Y.items()}

    masked = STEADY.update(bad_Z, bad_Y, STEADY.init(*first), kept)
    alone = STEADY.update(Z[:17], subset, STEADY.init(*first))
    assert_same_space(masked.space, alone.space, 1e-5)
    assert_same_space(
        STEADY.init(bad_Z, bad_Y, where=kept).space, STEADY.init(Z[:17], subset).space, 1e-5
    )


def test_a_mask_by_quantity_is_the_solve_with_that_mask():
    batches = [mixed(seed) for seed in range(4)]
    rng = np.random.default_rng(3)
    masks = [{q: rng.random(24) < 0.7 for q in K} for _ in batches]

    def spoilt(Z, Y, where):
        has = {q: where[q].reshape(-1, *[1] * (y.ndim - 1)) for q, y in Y.items()}
        any_rows = (where["p"] | where["s"])[:, None]
        Y = {q: np.where(has[q], y, np.float32(np.nan)) for q, y in Y.items()}
        return np.where(any_rows, Z, np.float32(np.nan)), Y

    spoilt_batches = [spoilt(*batch, where) for batch, where in zip(batches, masks, strict=True)]
    state = STEADY.init(*spoilt_batches[0], where=masks[0])
    expected = solve_subspaces(*spoilt_batches[0], k=K, where=masks[0])
    assert_same_space(state.space, expected, 1e-5)
    for (Z, Y), where in zip(spoilt_batches[1:], masks[1:], strict=True):
        state = STEADY.update(Z, Y, state, where)
    where = {q: np.concatenate([m[q] for m in masks]) for q in K}
    expected = solve_subspaces(*joined(spoilt_batches), k=K, where=where)
    assert_same_space(state.space, expected, 2e-5)
    # A state of separate moments takes common masks as well.
    common = STEADY.update(*batches[0], state, masks[0]["p"])
    by_name = STEADY.update(*batches[0], state, dict.fromkeys(K, masks[0]["p"]))
    assert_same_space(common.space, by_name.space, 1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_a_batch_without_valid_rows_changes_nothing(decay):
    tracker = track_subspaces(K, every=1, decay=decay)
    state = tracker.init(*mixed(0))
    Z, Y = jax.tree.map(lambda x: np.full_like(x, np.nan), mixed(1))
    after = tracker.update(Z, Y, state, np.zeros(24, bool))
    assert_same_space(after.space, state.space, 1e-6)
    jax.tree.map(np.testing.assert_array_equal, after.moments, state.moments)
    assert int(after.step) == 1


def test_a_quantity_that_stays_away_keeps_its_moments():
    masks = dict.fromkeys(K, np.ones(24, bool))
    state = FADING.init(*mixed(0), where=masks)
    before = state.moments
    update = jax.jit(FADING.update)
    Z, Y = mixed(1)
    for _ in range(300):  # 0.7 ** 300 is 0 in float32
        state = update(Z, Y, state, masks | {"s": np.zeros(24, bool)})
    for name in ("n", "z_mean", "Szz", "Szy"):
        np.testing.assert_array_equal(getattr(state.moments, name)["s"], getattr(before, name)["s"])
    assert not np.allclose(state.moments.Szy["p"], before.Szy["p"])


def test_merging_is_associative_with_zero_as_neutral_element(x64):
    a, b, c = (STEADY.init(*mixed(seed, dtype="float64")).moments for seed in range(3))
    zero = jax.tree.map(jnp.zeros_like, a)
    for left, right in (
        (merge(a, merge(b, c)), merge(merge(a, b), c)),
        (merge(zero, a), a),
        (merge(a, zero), a),
    ):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), left, right)


@pytest.mark.parametrize(
    ("Z_dtype", "y_dtype", "expected"),
    [
        ("bfloat16", "bfloat16", "float32"),
        ("float16", "float32", "float32"),
        ("float32", "int32", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "float32", "float64"),
    ],
)
def test_dtype_of_the_state(Z_dtype, y_dtype, expected, x64):
    Z = jax.ShapeDtypeStruct((24, D), jnp.dtype(Z_dtype))
    Y = {q: jax.ShapeDtypeStruct((24, 3), jnp.dtype(y_dtype)) for q in K}
    state = jax.eval_shape(STEADY.init, Z, Y)
    wide = {q: jax.ShapeDtypeStruct((24, 3), jnp.dtype("float64")) for q in K}
    # The state keeps its dtype, whatever comes later.
    for after in (jax.eval_shape(STEADY.update, Z, batch, state) for batch in (Y, wide)):
        chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
    assert {str(x.dtype) for x in jax.tree.leaves(state)} == {expected, "int32"}


def test_bf16_batches_do_not_blur_the_moments():
    batches = [mixed(seed) for seed in range(8)]
    half = [jax.tree.map(lambda x: x.astype(jnp.bfloat16), batch) for batch in batches]
    widened = [jax.tree.map(lambda x: x.astype(jnp.float32), batch) for batch in half]
    assert_same_space(run(STEADY, half).space, run(STEADY, widened).space, 1e-6)


def test_nan_shows_in_the_next_solve():
    Z, Y = mixed(1)
    Z[0, 0] = np.nan
    state = STEADY.update(Z, Y, STEADY.init(*mixed(0)))
    assert np.isnan(state.space.W["p"]).all()


def test_latents_without_variance_stay_finite():
    _, Y = mixed(0)
    state = STEADY.init(np.ones((24, D), np.float32), Y)
    state = STEADY.update(np.ones((24, D), np.float32), Y, state)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))


@pytest.mark.parametrize("common", [20.0, 50.0, 200.0])
def test_a_strong_common_direction_leaves_decoders(common):
    """Rounding is far from its worst case, which would take all coordinates for rounding."""
    n, k, width = 1024, 16, 256
    rng = np.random.default_rng(0)
    base = rng.normal(size=(n, width))
    read = rng.normal(size=(width, k))
    read = np.linalg.qr(read - read.mean(axis=0))[0]
    Z = (base + common * rng.normal(size=(n, 1))).astype(np.float32)
    Y = {"a": (base @ read).astype(np.float32)}
    expected = solve_subspaces(Z, Y, k=k).decode(Z)["a"] - Y["a"]
    found = track_subspaces(k).init(Z, Y).space.decode(Z)["a"] - Y["a"]
    np.testing.assert_allclose(jnp.var(found), jnp.var(expected), rtol=0.05)

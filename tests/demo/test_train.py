"""The data and the training, on a small linear problem."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.demo.batches import (
    draw,
    in_batches,
    measure_scales,
    normalized,
    on_device,
    reference_samples,
)
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import Dataset, Sizes, pooled, size, split
from spacelearn_jax.demo.train import build, train

CONFIG = dataclasses.replace(
    Config.fast(), steps=20, width=2, batch_size=16, reference_size=32, refresh_every=4
)


def toy(count=96, flow=False):
    fields = np.random.default_rng(0).normal(size=(count, 16, 16)).astype(np.float32)
    targets = {"vorticity": fields, "mean": 5 + 100 * fields.mean((1, 2))}
    if flow:
        targets = {"vorticity": fields, "energy": fields**2}
    return Dataset(fields, targets, np.arange(count) // 2, flow)


@pytest.fixture(scope="module")
def runs():
    dataset = toy()
    sizes = size(dataset, CONFIG)
    data, scales = on_device(dataset), measure_scales(dataset, sizes)
    programs = build(CONFIG, sizes, dataset.grid, flow=False)
    found = {}
    for guided in (True, False):
        steps, spaces, last = [], [], None
        for progress in train(programs, CONFIG, data, scales, guided=guided):
            steps.append((progress.step, progress.terms))
            spaces.append(progress.space)
            last = progress
        found[guided] = steps, last, spaces
    return programs, data, found


def test_a_split_never_divides_a_group():
    dataset = toy()
    train_set, test_set = split(dataset, 0.25, seed=3)
    assert len(train_set.fields) + len(test_set.fields) == 96
    assert len(test_set.fields) == 24
    assert not set(train_set.groups) & set(test_set.groups)
    again, other = split(dataset, 0.25, seed=3)[1], split(dataset, 0.25, seed=4)[1]
    np.testing.assert_array_equal(test_set.groups, again.groups)
    assert set(test_set.groups) != set(other.groups)


@pytest.mark.parametrize(("held_out", "groups"), [(0.0, 1), (1.0, 47)])
def test_both_sides_of_a_split_have_a_group(held_out, groups):
    assert len(np.unique(split(toy(), held_out, seed=0)[1].groups)) == groups


def test_sizes():
    sizes = size(toy(), CONFIG)
    assert sizes.bins == {"vorticity": 4}
    assert sizes.k["mean"] == 1
    assert 14 <= sizes.k["vorticity"] <= 16
    total = sum(sizes.k.values())
    assert sizes.latent_dim % 8 == 0
    assert total / (1 - CONFIG.free_fraction) <= sizes.latent_dim < total / 0.3 + 9


def test_normalized_targets_have_unit_variance():
    dataset = toy()
    sizes = Sizes({"vorticity": 4}, {"vorticity": 16, "mean": 1}, 24)
    scales = measure_scales(dataset, sizes)
    Y = normalized(pooled(on_device(dataset)[1], sizes.bins), scales)
    for y in Y.values():
        np.testing.assert_allclose(jnp.mean(jnp.var(y, axis=0)), 1, rtol=1e-4)
        np.testing.assert_allclose(jnp.mean(y), 0, atol=1e-4)


def test_fields_and_targets_are_drawn_together():
    fields, targets = draw(on_device(toy()), jax.random.key(0), size=32, flow=False)
    np.testing.assert_array_equal(fields, targets["vorticity"])
    np.testing.assert_allclose(targets["mean"], 5 + 100 * fields.mean((1, 2)), rtol=1e-4, atol=1e-3)
    fields, targets = draw(on_device(toy(flow=True)), jax.random.key(0), size=32, flow=True)
    np.testing.assert_array_equal(targets["energy"], fields**2)


@pytest.mark.parametrize("count", [1, 5, 8, 17])
def test_batches_are_put_together_again(count):
    rows = jnp.arange(count, dtype=jnp.float32)[:, None]
    np.testing.assert_array_equal(in_batches(lambda x: 2 * x, rows, 8), 2 * rows)


def test_reference_samples_are_spread_over_the_training():
    data = on_device(toy())
    fields, targets = reference_samples(data, CONFIG, flow=False)
    assert len(fields) == len(targets["mean"]) == 32
    for row, sample in ((0, 0), (-1, 95)):
        np.testing.assert_array_equal(fields[row], data[0][sample])
    assert len(reference_samples(data, Config(), flow=False)[0]) == 96


def test_one_compilation_for_both_networks(runs):
    assert runs[0].step._cache_size() == 1


def test_progress_is_reported_up_to_the_last_step(runs):
    for guided, (steps, *_) in runs[2].items():
        assert [step for step, _ in steps] == [5, 10, 15, 20]
        wanted = ["reconstruction"]
        if guided:
            wanted += ["alignment", "disentanglement", "isotropy", "stability"]
        assert all(list(terms) == wanted for _, terms in steps)
        assert all(np.isfinite(list(terms.values())).all() for _, terms in steps)


def test_losses_fall(runs):
    for guided, (steps, *_) in runs[2].items():
        for term in ("reconstruction", "alignment")[: 1 + guided]:
            assert steps[-1][1][term] < steps[0][1][term]


def test_the_tracker_follows_the_guided_network_alone(runs):
    guided, plain = (runs[2][g][1] for g in (True, False))
    # The first of 20 updates solves, then every fourth.
    assert int(guided.state.tracker.step) == 20
    assert int(guided.state.tracker.refreshes) == 5
    assert set(guided.space) == {"mean", "vorticity"}
    assert plain.space is None
    # Earlier ones outlive the memory of their steps.
    first = runs[2][True][2][0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(first))
    assert all(not leaf.any() for leaf in jax.tree.leaves(plain.state.tracker))


def test_guidance_is_the_only_difference(runs):
    """A guided step with weights of zero would be an unguided one: same batches, same start."""
    programs, data, found = runs
    first = [programs.init(data).params for _ in range(2)]
    for a, b in zip(*map(jax.tree.leaves, first), strict=True):
        np.testing.assert_array_equal(a, b)
    keys = [jax.random.key_data(found[g][1].state.key) for g in (True, False)]
    np.testing.assert_array_equal(*keys)

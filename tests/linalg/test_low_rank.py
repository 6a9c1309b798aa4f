"""The randomized solver: what it promises, and that it draws from its own seed."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from spacelearn_jax import linalg, subspaces

from .matrices import prescribed


def test_exact_for_matrices_of_its_rank(x64):
    A = prescribed(np.array([3.0, 2.0, 1.0]), (40, 30))
    U, s, Vt = (np.asarray(x) for x in linalg.full(A, solver=linalg.LowRank(3, oversample=0)))
    np.testing.assert_allclose(U * s @ Vt, A, atol=1e-13)
    np.testing.assert_allclose(s, [3.0, 2.0, 1.0], rtol=1e-13)


def test_close_where_the_spectrum_decays(x64):
    s = 0.5 ** np.arange(20)
    A = prescribed(s, (40, 30))
    got = linalg.singular_values(A, solver=linalg.LowRank(5))
    np.testing.assert_allclose(got, s[:5], rtol=1e-8)


def test_power_iterations_sharpen_a_slow_spectrum(x64):
    s = np.linspace(1.0, 0.5, 30)
    A = prescribed(s, (60, 30))

    def error(n_iter: int) -> float:
        solver = linalg.LowRank(5, oversample=2, n_iter=n_iter)
        return float(np.abs(np.asarray(linalg.singular_values(A, solver=solver)) - s[:5]).max())

    assert error(3) < error(1) < error(0)


def test_one_seed_one_answer():
    A = prescribed(np.linspace(1.0, 0.5, 20), (30, 20)).astype(np.float32)
    first, second = (linalg.full(A, solver=linalg.LowRank(3, seed=7)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    other = linalg.singular_values(A, solver=linalg.LowRank(3, seed=8, n_iter=0))
    assert np.any(np.asarray(other) != np.asarray(first[1]))


def test_is_a_frozen_value():
    solver = linalg.LowRank(np.int64(3), seed=1)
    assert solver == linalg.LowRank(3, seed=1)
    assert hash(solver) == hash(linalg.LowRank(3, seed=1))
    assert type(solver.rank) is int
    with pytest.raises(dataclasses.FrozenInstanceError):
        solver.rank = 4


@pytest.mark.parametrize("shape", [(6, 3), (3, 6)])
def test_rank_is_capped_at_the_matrix(shape):
    A = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    U, s, Vt = linalg.full(A, solver=linalg.LowRank(10))
    assert (U.shape, s.shape, Vt.shape) == ((shape[0], 3), (3,), (3, shape[1]))
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False), rtol=1e-5)


def test_every_bit_of_a_seed_counts():
    A = prescribed(np.linspace(1.0, 0.5, 12), (30, 12)).astype(np.float32)

    def values(seed):
        return np.asarray(linalg.singular_values(A, solver=linalg.LowRank(3, n_iter=0, seed=seed)))

    drawn = [values(seed) for seed in (0, 1, 2**32, 2**32 + 1, 2**40)]
    for first, second in itertools.combinations(drawn, 2):
        assert (first != second).any()


def test_subspaces_of_shards_are_those_of_the_batch(x64):
    rng = np.random.default_rng(0)
    Z, y = rng.standard_normal((40, 9)), rng.standard_normal((40, 8))
    solver = linalg.LowRank(3, oversample=0)
    expected = subspaces(Z, {"a": y}, 3, solver=solver)["a"]
    got = jax.vmap(
        lambda Z, y: subspaces(Z, {"a": y}, 3, axis_name="data", solver=solver)["a"],
        axis_name="data",
    )(Z.reshape(2, 20, 9), y.reshape(2, 20, 8))
    for W in got:
        np.testing.assert_allclose(W, expected, atol=1e-12)

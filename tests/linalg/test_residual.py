"""The bound on what a low rank leaves out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import linalg

from .matrices import prescribed


def left_out(A, U):
    U = np.asarray(U)
    return np.linalg.norm(A - U @ (U.T @ A), 2)


@pytest.mark.parametrize("n_iter", [0, 2])
def test_it_holds_and_is_not_far_off(x64, n_iter):
    A = prescribed(1 / np.arange(1.0, 31.0), (60, 30))
    for seed in range(5):
        U, _ = linalg.left(A, solver=linalg.LowRank(6, n_iter=n_iter, seed=seed))
        true = left_out(A, U)
        bound = float(linalg.residual_bound(A, U, seed=seed))
        assert true <= bound <= 60 * true


def test_one_probe_fails_for_fewer_than_one_seed_in_ten(x64):
    # What is left has one direction, the hardest to see.
    A = np.diag([1.0, 0.0, 0.0])
    U = np.eye(3)[:, 1:2]
    bounds = [float(linalg.residual_bound(A, U, probes=1, seed=i)) for i in range(200)]
    share = np.mean(np.asarray(bounds) < 1.0)
    # That a normal number is below sqrt(pi / 2) / 10 in magnitude has probability .0997.
    assert 0.04 < share < 0.16


def test_nothing_is_left_by_a_whole_basis(x64):
    A = prescribed(np.array([3.0, 2.0, 1.0]), (9, 7))
    U, _ = linalg.left(A)
    assert float(linalg.residual_bound(A, U[:, :3])) < 1e-13


def test_no_square_underflows():
    A = np.float32(1e-30) * prescribed(np.array([3.0, 2.0, 1.0]), (9, 7)).astype(np.float32)
    U, _ = linalg.left(A)
    assert 1e-30 <= float(linalg.residual_bound(A, U[:, :2])) < 5e-29


def test_it_carries_no_gradient():
    A = jnp.asarray(prescribed(np.array([3.0, 2.0, 1.0]), (9, 7)), jnp.float32)
    U = jnp.eye(9, 2)
    assert not np.any(jax.grad(lambda a: linalg.residual_bound(a, U))(A))

"""Formulas of the measures."""

import numpy as np
import pytest

from spacelearn_jax.demo.evaluate import leakage_matrix, linear_probe, r_squared

RNG = np.random.default_rng(0)


def test_r_squared_is_its_formula():
    y, f = RNG.normal(size=(2, 50, 4, 3))
    wanted = 1 - ((y - f) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
    assert r_squared(y, f) == pytest.approx(wanted, rel=1e-12)


def test_r_squared_marks():
    y = RNG.normal(size=(20, 3))
    assert r_squared(y, y) == 1
    assert r_squared(y, np.broadcast_to(y.mean(0), y.shape)) == pytest.approx(0, abs=1e-12)
    assert r_squared(y, -y) < 0
    assert np.isnan(r_squared(np.ones((5, 2)), np.ones((5, 2))))


def test_probe_is_ridge_regression():
    Z, y, Z_test = RNG.normal(size=(60, 5)), RNG.normal(size=(60, 2, 3)), RNG.normal(size=(7, 5))
    read = linear_probe(Z, y, Z_test, ridges=(0.1,))
    Zc, yc = Z - Z.mean(0), y.reshape(60, -1) - y.reshape(60, -1).mean(0)
    # Ridge regression is least squares with the penalty as additional rows.
    penalty = np.sqrt(0.1 * (Zc**2).sum() / 5)
    rows = np.vstack([Zc, penalty * np.eye(5)]), np.vstack([yc, np.zeros((5, 6))])
    wanted = (Z_test - Z.mean(0)) @ np.linalg.lstsq(*rows, rcond=None)[0] + y.reshape(60, -1).mean(
        0
    )
    np.testing.assert_allclose(read, wanted.reshape(7, 2, 3), rtol=1e-8, atol=1e-10)


def test_probe_chooses_its_penalty():
    """Pure noise is best read by the largest penalty, an exact law by the smallest."""
    Z = RNG.normal(size=(80, 40))
    noise, law = RNG.normal(size=80), Z @ RNG.normal(size=40)
    ridges = (1e-8, 1e3)
    for target, best in ((noise, 1e3), (law, 1e-8)):
        chosen = linear_probe(Z, target, Z, ridges=ridges)
        np.testing.assert_array_equal(chosen, linear_probe(Z, target, Z, ridges=(best,)))


def test_probe_of_a_dead_latent_is_the_mean():
    y = RNG.normal(size=30)
    read = linear_probe(np.zeros((30, 4)), y, np.zeros((6, 4)))
    np.testing.assert_allclose(read, y.mean(), rtol=1e-12)


def test_leakage_reads_the_column_from_the_row():
    a, b = RNG.normal(size=(2, 3000, 2))
    S = {"a": a, "b": np.concatenate([b, 0.5 * a], axis=1)}
    Y = {"a": a, "b": b}
    first = {q: v[:2000] for q, v in S.items()}, {q: v[:2000] for q, v in Y.items()}
    rest = {q: v[2000:] for q, v in S.items()}, {q: v[2000:] for q, v in Y.items()}
    matrix = leakage_matrix(*first, *rest)
    np.testing.assert_allclose(matrix, [[1, 0], [1, 1]], atol=0.02)

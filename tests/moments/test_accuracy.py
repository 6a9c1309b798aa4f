"""Sums stay accurate where float32 has too few digits for them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.moments import Moments

from .batches import WIDTHS, D, assert_holds, rows, two_pass

pytestmark = pytest.mark.last_digits

SIGMA = np.array([1.0, 0.1, 10.0, 1e-3, 1.0, 2.0], np.float32)
OFFSET = np.array([1e4, -1e3, 1e5, 10.0, 1e4, 0.0], np.float32)
N_BATCHES, B = 1221, 8192


def chunk(i):
    """Returns rows whose means are up to 1e4 of their standard deviations."""
    rng = np.random.default_rng(i)
    x = rng.standard_normal((B, 6), dtype=np.float32)
    x[:, 4:] += x[:, :2]
    return x * SIGMA + OFFSET


def test_ten_million_rows_far_from_zero():
    m = Moments.zeros(4, {"y": 2})
    total = np.zeros(6)
    for i in range(N_BATCHES):
        x = chunk(i)
        total += x.sum(0, dtype=np.float64)
        m = m.update(x[:, :4], {"y": x[:, 4:]})
    n = N_BATCHES * B
    assert n > 10_000_000
    mean = total / n
    S = np.zeros((6, 6))
    for i in range(N_BATCHES):
        x = chunk(i) - mean
        S += x.T @ x
    deviation = np.sqrt(np.diag(S))
    relative = {
        "Szz": (m.Szz - S[:4, :4]) / np.outer(deviation[:4], deviation[:4]),
        "Szy": (m.Szy["y"] - S[:4, 4:]) / np.outer(deviation[:4], deviation[4:]),
        "Syy": (m.Syy["y"] - S[4:, 4:]) / np.outer(deviation[4:], deviation[4:]),
        "z_mean": m.z_mean / mean[:4] - 1,
        "y_mean": (m.y_mean["y"] - mean[4:]) / np.maximum(np.abs(mean[4:]), SIGMA[4:]),
        "count": float(m.count) / n - 1,
    }
    for name, error in relative.items():
        assert np.abs(error).max() < 1e-6, name


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_one_offset_batch(size):
    batch = rows(0, 4096, "float32", offset=1e4)
    m = Moments.zeros(D, WIDTHS)
    for start in range(0, 64 * size if size < 10 else 4096, size):
        m = m.update(*jax.tree.map(lambda x, s=start: x[s : s + size], batch))
    n = int(m.count)
    assert_holds(m, two_pass(*jax.tree.map(lambda x: x[:n], batch)), 3e-6)


def test_counts_go_on_past_the_last_float32_integer():
    one = np.ones((1, 1), np.float32)
    m = Moments.zeros(1, {"y": 1}).update(one, {"y": one}, sample_weight=np.float32([2**24]))

    @jax.jit
    def add(m, times):
        return jax.lax.fori_loop(0, times, lambda _, m: m.update(one, {"y": one}), m)

    m = add(m, 1001)
    pair = float(m.sums.n[""]), float(m.sums.low.n[""])
    assert sum(pair) == 2**24 + 1001
    assert float(m.count) == pytest.approx(2**24 + 1001, rel=1e-7)
    # Many small parts count as much as one large one.
    m = m.merge(add(Moments.zeros(1, {"y": 1}), 999))
    assert float(m.sums.n[""]) + float(m.sums.low.n[""]) == 2**24 + 2000


@pytest.mark.parametrize("decay", [1.0, 0.999])
def test_decay_costs_no_digits(decay):
    """As many small steps as it takes for the roundings of each to show."""
    one = np.float32([[1.0], [-1.0]])
    m = Moments.from_batch(one, {"y": one}, sample_weight=np.float32([2**23] * 2))
    add = jax.jit(
        lambda m: jax.lax.fori_loop(0, 1000, lambda _, m: m.update(one, {"y": one}, decay=decay), m)
    )
    m = add(m)
    expected = 2.0**24 * np.float64(np.float32(decay)) ** 1000
    expected += 2 * sum(np.float64(np.float32(decay)) ** np.arange(1000))
    for name in ("n", "Szz"):
        pair = [np.float64(np.ravel(getattr(x, name)[""])[0]) for x in (m.sums, m.sums.low)]
        np.testing.assert_allclose(sum(pair), expected, rtol=1e-11)


def test_small_steps_of_large_sums_are_not_lost():
    """Each batch adds less than half of the last digit of the sum."""
    big = Moments.from_batch(
        np.float32([[-1], [1]]), {"y": np.float32([-1, 1])}, sample_weight=np.float32([2**24] * 2)
    )
    small = Moments.from_batch(np.float32([[-0.5], [0.5]]), {"y": np.float32([-0.5, 0.5])})
    add = jax.jit(lambda m: jax.lax.fori_loop(0, 1000, lambda _, m: m.merge(small), m))
    m = add(big)
    total = float(m.sums.Szz[""][0, 0]) + float(m.sums.low.Szz[""][0, 0])
    assert total == 2**25 + 500


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_batches_are_summed_in_float32(dtype):
    Z, Y = jax.tree.map(lambda x: jnp.asarray(x, dtype), rows(0, 4096, "float32"))
    m = Moments.from_batch(Z, Y).update(Z, Y)
    assert m.Szz.dtype == jnp.float32
    wide = jax.tree.map(
        lambda x: np.tile(np.asarray(x, np.float64), (2,) + (1,) * (x.ndim - 1)), (Z, Y)
    )
    assert_holds(m, two_pass(*wide), 1e-6)


def test_latents_without_variance_have_none():
    Z = np.full((50, D), 12345.678, np.float32)
    Y = {"s": np.full(50, 0.1, np.float32)}
    m = Moments.from_batch(Z, Y).update(Z, Y)
    np.testing.assert_allclose(m.Szz, 0, atol=1e-5)
    np.testing.assert_allclose(m.Syy["s"], 0, atol=1e-12)


def test_squares_of_narrow_targets_in_one_long_batch():
    x = np.random.default_rng(0).standard_normal((300_000, 2), dtype=np.float32) + 1
    m = Moments.from_batch(x[:, :1], {"y": x})
    wide = x - x.mean(0, dtype=np.float64)
    np.testing.assert_allclose(np.diag(m.Syy["y"]), np.sum(wide**2, axis=0), rtol=1e-6)

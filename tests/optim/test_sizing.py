"""Numbers of modes, bins and dimensions against their definition."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spacelearn_jax as sl
from spacelearn_jax import data, linalg, optim
from spacelearn_jax.optim import _bins


def target(spectrum, B=60, p=30, seed=0):
    """A centred target of prescribed singular values."""
    rng = np.random.default_rng(seed)
    G = rng.standard_normal((B, len(spectrum)))
    U = np.linalg.qr(G - G.mean(axis=0))[0]
    V = np.linalg.qr(rng.standard_normal((p, len(spectrum))))[0]
    return U * spectrum @ V.T + rng.standard_normal(p)


def modes(spectrum, eta):
    """The definition: the least k that explains the fraction eta."""
    explained = np.cumsum(np.square(spectrum)) / np.sum(np.square(spectrum))
    return int(np.argmax(explained >= eta * (1 - 1e-12))) + 1


SPECTRUM = 0.8 ** np.arange(20)
ETAS = [0.05, 0.5, 0.9, 0.95, 0.99, 0.9999, 1.0]
SOLVERS = ["auto", "svd", "eigen", linalg.LowRank(25)]


@pytest.mark.parametrize("solver", SOLVERS, ids=["auto", "svd", "eigen", "LowRank"])
def test_modes_by_definition(x64, solver):
    y = target(SPECTRUM)
    for eta in ETAS[:-1]:
        assert optim.k_per_q({"q": y}, eta, solver=solver) == {"q": modes(SPECTRUM, eta)}


def test_all_variance_is_the_rank(x64):
    """Rounding neither adds modes nor loses the last one."""
    full = np.random.default_rng(0).standard_normal((12, 30))
    assert optim.k_per_q({"q": full}, 1.0) == {"q": 11}
    assert optim.k_per_q({"q": full.T}, 1.0) == {"q": 12}
    assert optim.k_per_q({"q": target([3.0, 2.0, 1.0])}, 1.0) == {"q": 3}


@pytest.mark.parametrize("value", [0.0, 1e-30, 7.0])
def test_a_constant_has_one_mode(value):
    y = np.full((8, 5), value, np.float32)
    assert optim.k_per_q({"q": y}, 0.99) == {"q": 1}
    assert optim.optimal_bins({"q": y}) == 2


def test_two_valid_rows_have_one_mode():
    y = target(SPECTRUM).astype(np.float32)
    assert optim.k_per_q({"q": y}, 0.99, where=np.arange(len(y)) < 2) == {"q": 1}


def test_thresholds_by_name():
    Y = {q: target(SPECTRUM).astype(np.float32) for q in ("a", "b", "c")}
    got = optim.k_per_q(Y, {"a": 0.5, "b": 0.99}, default_threshold=0.7)
    assert got == {q: modes(SPECTRUM, eta) for q, eta in zip("abc", (0.5, 0.99, 0.7), strict=True)}
    assert optim.k_per_q(Y, {"a": 0.5})["b"] == modes(SPECTRUM, 0.90)
    assert optim.optimal_bins(Y, 30, {}, spatial_ndim=1) == modes(SPECTRUM, 0.95)
    assert optim.k_per_q(Y, {"a": 0.5}, per_quantity=False) == modes(SPECTRUM, 0.90)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("max_bins", [2, 3, 16, 50, 2000, 2**31 - 1])
def test_bins_are_the_exact_root(ndim, max_bins):
    """Powers of many bins don't wrap around in 32 bits."""
    counts = [1, 2, 3, 4, 5, 8, 9, 16, 17, 27, 28, 100, 2400, 10**6, 2**31 - 1]
    got = jax.vmap(lambda n: _bins.bins_for(n, ndim, max_bins))(jnp.asarray(counts, jnp.int32))
    roots = [next(n for n in itertools.count(1) if n**ndim >= c) if ndim > 1 else c for c in counts]
    assert got.tolist() == [min(max(n, 2), max_bins) for n in roots]


def test_spatial_axes_by_rank():
    Y = {
        "field": target(np.ones(17), p=25).reshape(60, 1, 5, 5).astype(np.float32),
        "sequence": target(np.ones(17)).astype(np.float32),
        "volume": target(np.ones(17), p=27).reshape(60, 1, 3, 3, 3).astype(np.float32),
    }
    n = optim.k_per_q(Y, 0.99)["sequence"]
    assert n == 17
    got = optim.optimal_bins(Y, 30, 0.99, per_quantity=True, spatial_ndim="auto")
    assert got == {"field": 5, "sequence": 17, "volume": 3}
    assert optim.optimal_bins(Y, 30, 0.99, per_quantity=True) == dict.fromkeys(Y, 5)
    assert optim.optimal_bins(Y, 30, 0.99, per_quantity=True, spatial_ndim=np.int64(3)) == (
        dict.fromkeys(Y, 3)
    )


def test_traced_sizes_are_arrays():
    y = target(SPECTRUM).astype(np.float32)
    got = jax.jit(lambda y: optim.k_per_q({"q": y}, 0.9))(y)
    assert got["q"].dtype == jnp.int32
    assert int(got["q"]) == modes(SPECTRUM, 0.9)
    # Errors of values have codes there.
    largest = jax.jit(lambda **Y: optim.k_per_q(Y, 0.9, per_quantity=False))
    assert largest(q=y, r=np.full_like(y, np.nan)) == 0
    low = jax.jit(lambda y: optim.k_per_q({"q": y}, 0.99, solver=linalg.LowRank(2)))
    assert low(y)["q"] == -1
    assert low(y * np.float32(1e-30))["q"] == -1


@pytest.mark.parametrize("own_bins", [False, True])
@pytest.mark.parametrize("own_k", [False, True])
def test_dims_are_bins_then_k_of_the_pooled(own_bins, own_k):
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 2 * np.pi, 12)
    waves = rng.standard_normal((20, 2)) @ np.stack([np.sin(grid), np.cos(grid)])
    Y = {
        "noise": rng.standard_normal((20, 1, 8, 8)).astype(np.float32),
        "waves": waves.astype(np.float32),
    }
    got = sl.solve_dims(Y, 4, 0.95, 0.9, pool_per_quantity=own_bins, k_per_quantity=own_k)
    bins = optim.optimal_bins(Y, 4, 0.95, per_quantity=True)
    if not own_bins:
        bins = dict.fromkeys(Y, max(bins.values()))
    pooled = {q: data.pool(y, bins[q]) for q, y in Y.items()}
    k = optim.k_per_q(pooled, 0.9)
    if not own_k:
        k = dict.fromkeys(Y, max(k.values()))
    assert got == {q: (bins[q], k[q]) for q in Y}


def test_a_mask_that_is_known_while_targets_are_traced():
    y, mask = np.random.default_rng(0).normal(size=(8, 3)), jnp.arange(8) < 6
    y = y.astype(np.float32)
    traced = jax.jit(lambda y: optim.k_per_q({"a": y}, where=mask)["a"])(y)
    assert int(traced) == optim.k_per_q({"a": y[:6]})["a"]
    shards = jax.vmap(
        lambda y: optim.k_per_q({"a": y}, where=jnp.arange(4) < 1, axis_name="i")["a"],
        axis_name="i",
    )(y.reshape(2, 4, 3))
    assert shards.shape == (2,)

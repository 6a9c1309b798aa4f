"""All that solves gives from moments what it gives from the data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from spacelearn_jax import (
    linalg,
    loss,
    principal_directions,
    solve_dims,
    solve_subspaces,
    subspaces,
)
from spacelearn_jax.data import pool
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim import fit_decoders, k_per_q, optimal_bins

from .batches import WIDTHS, D, part, rows

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
K = {"p": 2, "s": 1}


def gathered(batch, dtype, where=None):
    m = Moments.zeros(D, WIDTHS, dtype, missing=isinstance(where, dict))
    for index in (slice(70), slice(70, 71), slice(71, 200)):
        m = m.update(*part(batch, index), part(where, index))
    return m


def assert_same(got, expected, tol):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tol * (np.abs(b).max() + 1e-30))


@pytest.mark.parametrize(
    ("dtype", "masked"),
    [("float32", ""), ("float64", ""), ("float32", "by name"), ("float64", "rows")],
)
def test_solves_agree_with_the_data(dtype, masked, x64):
    batch = rows(0, 200, dtype)
    rng = np.random.default_rng(3)
    where = {"": None, "rows": rng.random(200) < 0.8}.get(masked)
    if masked == "by name":
        where = {q: rng.random(200) < 0.8 for q in K}
    m, tol = gathered(batch, dtype, where), TOLERANCE[dtype]
    space = solve_subspaces(*batch, k=K, where=where)
    assert_same(solve_subspaces(m, k=K), space, tol)
    assert_same(subspaces(m, k=2), subspaces(*batch, 2, where=where), tol)
    assert_same(principal_directions(m), principal_directions(*batch, where=where), tol)
    assert_same(fit_decoders(space.W, m), fit_decoders(space.W, *batch, where=where), tol)
    for eta in (0.5, 0.9, 0.999, 1.0, {"p": 0.8}):
        assert k_per_q(m, eta) == k_per_q(batch[1], eta, where=where)


@pytest.mark.parametrize("eta", [0.9, 0.98, 0.99, 0.9995, 0.9999, 1.0])
@pytest.mark.parametrize("tail", [3e-5, 0.0])
def test_many_small_modes_count_as_much_as_in_the_data(tail, eta):
    """Each is less than eps of the width beside the largest, and all are a fiftieth."""
    p = 512
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(p, p)))[0]
    scales = np.sqrt(np.r_[np.ones(3), np.full(p - 3, tail)])
    y = ((rng.normal(size=(700, p)) * scales) @ basis.T + 1).astype(np.float32)
    k = k_per_q({"y": y}, eta)
    assert k_per_q(Moments.from_batch(y[:, :4], {"y": y}), eta) == k
    if eta < 1:
        variances = np.square(np.linalg.svd((y - y.mean(axis=0)).astype(float))[1])
        share = np.cumsum(variances) / variances.sum()
        assert k["y"] == np.argmax(share >= eta) + 1


def test_a_stack_of_moments_solves_under_vmap():
    many = [rows(seed, 50, "float32") for seed in range(3)]
    stack = jax.vmap(Moments.from_batch)(*jax.tree.map(lambda *x: np.stack(x), *many))
    spaces = jax.vmap(lambda m: solve_subspaces(m, k=K))(stack)
    for i, batch in enumerate(many):
        one = jax.tree.map(lambda x, i=i: x[i], spaces)
        assert_same(one, solve_subspaces(Moments.from_batch(*batch), k=K), 1e-5)
    with pytest.raises(ValueError, match="one set of moments"):
        solve_subspaces(stack, k=K)


def test_explained_variance_is_that_of_the_decoded(x64):
    Z, Y = rows(0, 200)
    m = Moments.from_batch(Z, Y)
    space = solve_subspaces(m, k=K)
    found = m.explained_variance(space.W, space.A)
    for q, y in space.decode(Z).items():
        expected = 1 - np.sum((y - Y[q]) ** 2) / np.sum((Y[q] - Y[q].mean(0)) ** 2)
        np.testing.assert_allclose(found[q], expected, rtol=1e-12)
    constant = Moments.from_batch(Z, {"s": np.ones(200)})
    assert float(constant.explained_variance({"s": space.W["s"]}, {"s": space.A["s"]})["s"]) == 0


@pytest.mark.parametrize("constant", [3.7, 1 / 3])
def test_a_target_that_is_constant_but_for_rounding_has_no_variance(constant):
    Z, _ = rows(0, 200)
    y = np.full(200, constant, np.float32)
    y[::2] = np.nextafter(y[::2], np.float32(np.inf))
    m = Moments.from_batch(Z.astype(np.float32), {"s": y})
    assert m.sums.Syy["s"][0, 0] > 0
    w, a = np.eye(1, Z.shape[1], dtype=np.float32), np.ones((1, 1), np.float32)
    assert m.explained_variance({"s": w}, {"s": a})["s"] == 0


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_fields_are_sized_after_pooling(dtype, x64):
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(5, 36)) * np.array([5.0, 3.0, 2.0, 0.3, 0.1])[:, None]
    Y = {
        "image": (rng.normal(size=(60, 5)) @ waves).reshape(60, 1, 6, 6).astype(dtype),
        "sequence": (rng.normal(size=(60, 5)) @ waves[:, :9]).astype(dtype),
    }
    m = Moments.from_batch(np.ones((60, 1), dtype), Y)
    for options in (
        {},
        {"pool_per_quantity": True, "k_per_quantity": True, "spatial_ndim": "auto"},
    ):
        for k_threshold in (0.8, 0.99):
            args = (4, 0.95, k_threshold)
            assert solve_dims(m, *args, **options) == solve_dims(Y, *args, **options)
    for own in (False, True):
        sizes = {"spatial_ndim": "auto", "per_quantity": own}
        assert optimal_bins(m, 4, 0.95, **sizes) == optimal_bins(Y, 4, 0.95, **sizes)
    traced = jax.jit(lambda m: solve_dims(m, 4, 0.95, 0.9))(m)
    assert jax.tree.map(int, traced) == solve_dims(Y, 4, 0.95, 0.9)
    with pytest.raises(ValueError, match="pooling_mode must be 'avg' for moments"):
        solve_dims(m, 4, 0.95, 0.9, pooling_mode="max")
    pooled = {q: pool(y, 3) for q, y in Y.items()}
    m = Moments.from_batch(np.ones((60, 1), dtype), pooled)
    assert k_per_q(m, 0.9) == k_per_q(pooled, 0.9)


def ill_conditioned(dtype, decades=3.0, n=400):
    """Returns latents whose scales span decades, and their decoder's coordinates."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n, D)) * np.logspace(0, -decades, D)
    y = Z @ (rng.normal(size=(D, 2)) * np.logspace(0, decades, D)[:, None])
    return Z.astype(dtype), {"y": (y + 1e-3 * rng.normal(size=y.shape)).astype(dtype)}


@pytest.mark.parametrize("total", [0.1, 1.0, 3.0, 500.0])
def test_sizes_do_not_depend_on_the_scale_of_weights(total):
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(500, 8)), rng.normal(size=(500, 1, 4, 4))
    weights = np.full(500, total / 500, np.float32)
    m = Moments.from_batch(Z.astype("f"), {"y": y.astype("f")}, sample_weight=weights)
    assert k_per_q(m, 0.95) == k_per_q({"y": y.astype("f")}, 0.95)
    assert solve_dims(m, 4, 0.9, 0.9) == solve_dims({"y": y.astype("f")}, 4, 0.9, 0.9)


def test_sizes_of_decayed_moments_are_those_of_what_they_hold():
    rng = np.random.default_rng(0)
    m, S, n, mean = Moments.zeros(4, {"y": 40}), np.zeros((40, 40)), 0.0, np.zeros(40)
    for _ in range(30):
        y = rng.normal(size=(4, 40)).astype("f")
        m = m.update(y[:, :4], {"y": y}, decay=0.5)
        S += n * np.outer(mean, mean)
        n, mean, S = 0.5 * n + 4, 0.5 * n * mean + y.sum(0), 0.5 * S + y.T.astype(float) @ y
        mean /= n
        S -= n * np.outer(mean, mean)
    share = np.cumsum(np.linalg.eigvalsh(S)[::-1]) / np.trace(S)
    assert k_per_q(m, 0.99)["y"] == np.sum(share < 0.99) + 1 > 10


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_decoders_of_latents_of_different_scales(dtype, x64):
    Z, Y = ill_conditioned(dtype)
    W = {"y": np.eye(D, dtype=dtype)}
    wide = ill_conditioned("float64")
    exact = np.linalg.lstsq(wide[0] - wide[0].mean(0), wide[1]["y"] - wide[1]["y"].mean(0))[0]
    got = fit_decoders(W, Moments.from_batch(Z, Y))["y"]
    tol = {"float32": 1e-4, "float64": 1e-11}[dtype]
    np.testing.assert_allclose(got, exact, rtol=tol)


@pytest.mark.parametrize(
    ("dtype", "decades", "tol"), [("float32", 2, 1e-6), ("float32", 3, 2e-5), ("float64", 3, 1e-9)]
)
@pytest.mark.parametrize("parts", ["one batch", "updates", "devices", "weights"])
def test_decoders_of_rotated_ill_conditioned_latents(parts, dtype, decades, tol, x64):
    """Whose Gram matrix has the square of their condition number."""
    Z, Y = ill_conditioned("float64", decades)
    rng = np.random.default_rng(1)
    # Means that differ by more than the deviations: merging is more than adding.
    Z += np.repeat(rng.normal(size=(4, D)) * np.logspace(0, -decades, D), 100, axis=0) * 3
    Y["y"] += rng.normal(size=(4, 2)).repeat(100, axis=0)
    Q, w = (np.linalg.qr(rng.normal(size=(D, D)))[0] for _ in range(2))
    Z, Y, w = jax.tree.map(lambda x: x.astype(dtype), (Z @ Q, Y, w[:4]))
    shards = jax.tree.map(lambda x: x.reshape(4, 100, *x.shape[1:]), (Z, Y))
    if parts == "devices":
        joined = jax.vmap(lambda *b: Moments.from_batch(*b).psum("i"), axis_name="i")(*shards)
        m = part(joined, 0)
    elif parts == "updates":
        m = Moments.zeros(D, {"y": 2}, dtype)
        for i in range(4):
            m = m.update(*part(shards, i))
    else:
        m = Moments.from_batch(
            Z, Y, sample_weight=np.full(400, 3.0) if parts == "weights" else None
        )
    S, yc = (np.asarray(x, np.float64) - x.mean(0, dtype=np.float64) for x in (Z, Y["y"]))
    exact = {"y": np.linalg.lstsq(S @ w.T.astype(np.float64), yc)[0].astype(dtype)}
    A = fit_decoders({"y": w}, m)
    assert_same(A, exact, tol)
    if parts == "one batch":
        assert_same(fit_decoders({"y": w}, Z, Y, ridge=1e-16), exact, tol)
    residual = yc - S @ w.T.astype(np.float64) @ np.asarray(A["y"], np.float64)
    explained = m.explained_variance({"y": w}, A)["y"]
    np.testing.assert_allclose(explained, 1 - np.sum(residual**2) / np.sum(yc**2), atol=1e-5)


@pytest.mark.parametrize("target", ["of weak directions as well", "of all latents alike"])
@pytest.mark.parametrize(
    ("n", "decades", "tol"),
    [(400, 2, 5e-7), (8192, 2, 2e-7), (1024, 3, 1.5e-5), (8192, 3, 1.2e-5), (20_000, 3, 6e-6)],
)
def test_decoders_of_many_ill_conditioned_rows(n, decades, tol, target):
    """Long sums, and targets that say little about weak directions: digits that are needed.

    To round the centred rows to float32 alone moves decoders by up to 2e-5 over three decades.
    One draw is up to twice as far off as most are.
    """
    off, scale = [], np.logspace(0, -decades, D)
    for seed in range(7):
        rng = np.random.default_rng(seed)
        x, Q = rng.normal(size=(n, D)), np.linalg.qr(rng.normal(size=(D, D)))[0]
        Z = ((x * scale) @ Q).astype(np.float32)
        y = (x if target.endswith("as well") else Z) @ rng.normal(size=(D, 3))
        y = (y + 0.1 * rng.normal(size=(n, 3))).astype(np.float32)
        W = {"y": np.eye(D, dtype=np.float32)}
        A = fit_decoders(W, Moments.from_batch(Z, {"y": y}))["y"]
        S, yc = (i - i.mean(0, dtype=np.float64) for i in (Z.astype(np.float64), y))
        expected = np.linalg.lstsq(S, yc)[0]
        off.append(np.linalg.norm(A - expected) / np.linalg.norm(expected))
    assert np.median(off) < tol
    assert max(off) < 3 * tol


def test_decoders_of_parts_with_other_means():
    """Where those are far apart, rounding the centred rows alone takes more."""
    n, off, by_rounding = 512, [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(2 * n, D)) * np.logspace(0, -2, D)
        y = (X[:, :1] + 0.1 * rng.normal(size=(2 * n, 1))).astype(np.float32)
        X[n:, 0] += 10
        Z = (X @ np.linalg.qr(rng.normal(size=(D, D)))[0]).astype(np.float32)
        S, yc = (x - x.mean(0, dtype=np.float64) for x in (Z.astype(np.float64), y))
        exact = np.linalg.lstsq(S, yc)[0]

        def error(A, exact=exact):
            return np.linalg.norm(A - exact) / np.linalg.norm(exact)

        quarters = [np.arange(i, i + n // 2) for i in range(0, 2 * n, n // 2)]
        parts = [Moments.from_batch(Z[i], {"y": y[i]}) for i in quarters]
        pooled = jax.vmap(lambda z, y: Moments.from_batch(z, {"y": y}).psum("i"), axis_name="i")
        both = part(pooled(*(np.stack([x[quarters[0]], x[quarters[2]]]) for x in (Z, y))), 0)
        W = {"y": np.eye(D, dtype=np.float32)}
        for m, others in ((parts[0], parts[1:]), (both, parts[1::2])):
            for other in others:
                m = m.merge(other)
            off.append(error(fit_decoders(W, m)["y"]))
        by_rounding.append(error(np.linalg.lstsq(np.float32(S), yc)[0]))
    assert np.max(off) < np.max(by_rounding) / 30


def test_a_constant_far_away_hides_no_variance():
    Z, _ = rows(0, 50, "float32")
    m = Moments.from_batch(Z, {"y": np.stack([Z[:, 0], np.full(50, 1e8, np.float32)], axis=1)})
    W, A = {"y": np.eye(D, dtype=np.float32)}, {"y": np.eye(D, 2, dtype=np.float32)}
    A["y"][1, 1] = 0
    np.testing.assert_allclose(m.explained_variance(W, A)["y"], 1, atol=1e-5)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_decoders_of_dependent_latents_are_the_shortest(dtype, x64):
    Z, Y = rows(0, 100, dtype)
    Z[:, 3], Z[:, 4] = 2 * Z[:, 0], 0.0
    W = {q: np.eye(D, dtype=dtype)[[0, 3, 4, 1]] for q in Y}
    got = fit_decoders(W, Moments.from_batch(Z, Y))
    assert_same(got, fit_decoders(W, Z, Y), {"float32": 2e-5, "float64": 1e-10}[dtype])
    # Rotated, nothing is exactly zero any more.
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0].astype(dtype)
    got = fit_decoders(W, Moments.from_batch(Z @ Q, Y))
    W = {q: Q.T @ w.T for q, w in W.items()}
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(got))


def test_ridge_is_its_formula(x64):
    Z, Y = rows(0, 12)
    W = solve_subspaces(Z, Y, k=K).W
    m = Moments.from_batch(Z, Y)
    got = fit_decoders(W, m, ridge=0.7)
    assert_same(fit_decoders(W, Z, Y, ridge=0.7), got, 1e-12)
    for q, w in W.items():
        S = (Z - Z.mean(0)) @ np.asarray(w).T
        yc = (Y[q] - Y[q].mean(0)).reshape(12, -1)
        expected = np.linalg.solve(S.T @ S + 0.7 * np.eye(len(w)), S.T @ yc)
        np.testing.assert_allclose(got[q].reshape(len(w), -1), expected, rtol=1e-10)


@pytest.mark.parametrize("n", [4, 300])
def test_ledoit_wolf_is_that_of_scikit_learn(n, x64):
    Z, Y = rows(0, n)
    W = {"s": np.linalg.qr(np.random.default_rng(1).normal(size=(D, 3)))[0].T}
    covariance, share = ledoit_wolf(Z)
    assert 0 < share <= 1
    w = W["s"]
    yc = Y["s"] - Y["s"].mean()
    expected = np.linalg.solve(n * w @ covariance @ w.T, w @ (Z - Z.mean(0)).T @ yc)
    m = Moments.from_batch(*part((Z, Y), slice(3)))
    m = m.update(*part((Z, Y), slice(3, n)))
    for got in (
        fit_decoders(W, m, shrinkage="ledoit-wolf"),
        fit_decoders(W, Z, Y, shrinkage="ledoit-wolf"),
        fit_decoders(W, m, shrinkage=float(share)),
        fit_decoders(W, Z, Y, shrinkage=float(share)),
    ):
        np.testing.assert_allclose(got["s"], expected, rtol=1e-9)


def test_ledoit_wolf_of_constant_latents_is_no_number_out_of_range():
    Z, Y = np.ones((20, 3), np.float32), {"y": np.arange(20, dtype=np.float32)}
    A = fit_decoders({"y": np.eye(3, dtype=np.float32)[:2]}, Z, Y, shrinkage="ledoit-wolf")
    np.testing.assert_array_equal(A["y"], 0)


@pytest.mark.parametrize("scale", [1e-10, 1e-6, 1.0, 1e8, 1e9, 1e11])
def test_ledoit_wolf_knows_where_fourth_powers_end(scale):
    """Sooner than squares: it says NaN then, and not some share."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(64, 8)).astype(np.float32)
    Y, W = {"y": Z[:, :2] + 0.1}, {"y": np.eye(8, dtype=np.float32)[:3]}
    expected = fit_decoders(W, Z, Y, shrinkage="ledoit-wolf")["y"]
    got = fit_decoders(W, Z * np.float32(scale), Y, shrinkage="ledoit-wolf")["y"] * scale
    if 1e-8 < scale < 1e9:
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    else:
        assert np.all(np.isnan(got))


def test_moments_restored_as_numpy_arrays_solve(x64):
    Z, Y = rows(0, 60, "float64")
    m = Moments.from_batch(Z, Y)
    restored = jax.tree.map(np.asarray, m)
    assert_same(solve_subspaces(restored, k=K), solve_subspaces(m, k=K), 1e-12)


@pytest.mark.parametrize(
    "use",
    [
        lambda m: solve_subspaces(m, k=1),
        lambda m: fit_decoders({"y": np.eye(4, dtype=np.float32)[:2]}, m),
        k_per_q,
        lambda m: solve_dims(m, 4, 0.9, 0.9),
    ],
)
def test_moments_of_no_rows_are_refused(use):
    with pytest.raises(ValueError, match="must be moments of some rows, got those of none"):
        use(Moments.zeros(4, {"y": (3,)}))


@pytest.mark.parametrize(
    ("bases", "solver", "message"),
    [
        (("p", "s", "t"), "auto", "W must be keyed by the quantities of the moments.*'t'"),
        (("p",), "SVD", "solver must be one of"),
        (("p", "s"), linalg.LowRank(1), "solver must be of rank at least 2"),
    ],
)
def test_decoders_of_moments_are_asked_for_what_there_is(bases, solver, message):
    W = {q: np.eye(K.get(q, 1), D, dtype=np.float32) for q in bases}
    m = Moments.from_batch(*rows(0, 20, "float32"))
    with pytest.raises(ValueError, match=message):
        fit_decoders(W, m, solver=solver)


@pytest.mark.parametrize("use", [Moments.update, Moments.merge, solve_subspaces])
def test_sums_that_were_cast_to_16_bits_are_refused(use):
    m = Moments.from_batch(*rows(0, 20, "float32"))
    given = {Moments.update: rows(1, 20, "float32"), Moments.merge: (m,)}.get(use, ())
    cast = jax.tree.map(lambda x: x.astype(jnp.bfloat16), m)
    with pytest.raises(TypeError, match="must be of float32 or float64, got one of bfloat16"):
        use(cast, *given, **({} if given else {"k": K}))


@pytest.mark.parametrize("solve", [subspaces, solve_subspaces])
def test_a_rank_has_to_hold_the_largest_subspace(solve):
    m = Moments.from_batch(*rows(0, 20, "float32"))
    with pytest.raises(ValueError, match=f"{solve.__name__}: solver must be of rank at least 2"):
        solve(m, k=K, solver=linalg.LowRank(1))


def test_shrinkage_helps_with_few_samples():
    a = np.random.default_rng(9).normal(size=(30, 1))
    worse = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Z = rng.normal(size=(34 + 1000, 30)).astype(np.float32)
        y = (Z @ a + 3 * rng.normal(size=(len(Z), 1))).astype(np.float32)
        W, m = {"y": np.eye(30, dtype=np.float32)}, Moments.from_batch(Z[:34], {"y": y[:34]})
        errors = [
            np.mean((Z[34:] @ fit_decoders(W, m, shrinkage=s)["y"] - y[34:]) ** 2)
            for s in ("ledoit-wolf", None)
        ]
        worse.append(errors[0] > errors[1])
    assert not any(worse)


def test_moments_of_devices_are_pooled():
    Z, Y = rows(0, 80, "float32")
    shards = jax.tree.map(lambda x: x.reshape(4, 20, *x.shape[1:]), (Z, Y))
    W = solve_subspaces(Z, Y, k=K).W

    def solve(z, y):
        m = Moments.from_batch(z, y)
        return (
            solve_subspaces(m, k=K, axis_name="i"),
            fit_decoders(W, m, axis_name="i"),
            k_per_q(m, axis_name="i"),
        )

    space, A, k = jax.tree.map(lambda x: x[2], jax.vmap(solve, axis_name="i")(*shards))
    expected = solve_subspaces(Z, Y, k=K)
    assert_same(space, expected, 1e-5)
    assert_same(A, fit_decoders(W, Z, Y), 1e-5)
    assert jax.tree.map(int, k) == k_per_q(Y)


def test_nan_shows():
    Z, Y = rows(0, 50, "float32")
    Z[0, 0] = np.nan
    m = Moments.from_batch(Z, Y)
    space = solve_subspaces(m, k=K)
    assert np.isnan(space.W["p"]).all()
    Y["p"][0, -1] = np.inf
    with pytest.raises(ValueError, match=r"k_per_q: Y\['p'\] must be finite"):
        k_per_q(Moments.from_batch(Z, Y))


def test_a_space_of_moments_carries_no_gradient():
    def total(m):
        return sum(x.sum() for x in jax.tree.leaves(solve_subspaces(m, k=K)))

    slope = jax.jit(jax.grad(total, allow_int=True))(Moments.from_batch(*rows(0, 50, "float32")))
    assert not any(np.any(x) for x in jax.tree.leaves(slope) if x.dtype != jax.dtypes.float0)


def test_another_quantity_is_no_spelling_of_a_missing_one():
    Z, Y = rows(0, 20, "float32")
    with pytest.raises(ValueError, match=r"Add 'class_b' to it\."):
        solve_subspaces(Z, {"class_a": Y["p"], "class_b": Y["s"]}, k={"class_a": 1})


def test_one_row_has_no_variance():
    Z, Y = rows(0, 1, "float32")
    with pytest.raises(ValueError, match="Z must be moments of at least 2 rows"):
        solve_subspaces(Moments.from_batch(Z, Y), k=1)
    Z, Y = rows(0, 50, "float32")
    light = Moments.from_batch(Z, Y, sample_weight=np.full(50, 0.01, np.float32))
    assert_same(solve_subspaces(light, k=1), solve_subspaces(Z, Y, k=1), 1e-5)


def test_moments_and_a_batch_are_one_too_many():
    Z, Y = rows(0, 50, "float32")
    m = Moments.from_batch(Z, Y, targets=False)
    with pytest.raises(TypeError, match="solve_subspaces: Y must be left out beside moments"):
        solve_subspaces(m, Y, k=2)
    with pytest.raises(TypeError, match="the size by name, as k=2"):
        subspaces(m, 2)
    with pytest.raises(TypeError, match="subspaces: where must be left out beside moments"):
        subspaces(m, k=2, where=jnp.ones(50, bool))
    with pytest.raises(ValueError, match="k_per_q: Y must be moments with Syy"):
        k_per_q(m)


@pytest.mark.parametrize(
    "score",
    [
        lambda m, s: loss.alignment_loss(m, s.W, s.A, {}),
        lambda m, s: loss.disentanglement_loss(m, s.W),
        lambda m, s: loss.isotropy_loss(m, s.W),
        lambda m, s: loss.combined_loss(m, s.W, s.A, {}, None),
    ],
)
def test_losses_are_of_batches(score):
    m = Moments.from_batch(*rows(0, 20))
    with pytest.raises(TypeError, match=r"got Moments. Moments are scored by their explained_var"):
        score(m, solve_subspaces(m, k=K))

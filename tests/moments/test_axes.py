"""Long streams sum plain products about axes that make them accurate."""

import jax
import numpy as np
import pytest

from spacelearn_jax import _moments, fit_stream
from spacelearn_jax.moments import Moments
from spacelearn_jax.streams import _axes

from ..jaxprs import equations
from .batches import assert_holds, two_pass
from .test_streams import Killed, assert_equal, cut, until

D, N = 16, 10_240
SIZES = (256,) * 40


@pytest.fixture(autouse=True)
def early(monkeypatch):
    monkeypatch.setattr(_axes, "FIRST_ROWS", 1024)


def latents(decades, *, seed=0):
    """Returns rotated latents of deviations that span decades, and targets of all of them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, D))
    Q = np.linalg.qr(rng.normal(size=(D, D)))[0]
    Z = ((x * np.logspace(0, -decades, D)) @ Q + 30).astype(np.float32)
    y = x @ rng.normal(size=(D, D)) + 0.1 * rng.normal(size=(N, D))
    return Z, {"y": y.astype(np.float32)}


def sorted_by_class(decades):
    """Returns rows of which the first and the second half vary in other directions."""
    (Z, Y), (other, _) = latents(decades, seed=1), latents(decades, seed=2)
    half = len(Z) // 2
    mixed = Z.copy()
    mixed[half:] = 5 * (other[half:] - 30) + 35
    return mixed, Y


def uncorrelated(decades):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(N, D)) * np.logspace(0, -decades, D) + 30
    return Z.astype(np.float32), {"y": Z[:, ::-1].astype(np.float32)}


def nearly_a_sum(decades):
    """Returns latents of which one is nearly the sum of all others, which shows in no pair."""
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    Z[:, 0] = Z[:, 1:].sum(1) / 4 + 10.0**-decades * Z[:, 0]
    return Z.astype(np.float32), {"y": (Z + y).astype(np.float32)}


def of_rank(rank):
    """Returns latents with fewer independent ones, or such that add up to one."""
    rng = np.random.default_rng(0)
    if rank is None:
        Z = np.exp(rng.normal(size=(N, D)))
        Z /= Z.sum(1, keepdims=True)
    else:
        Z = rng.normal(size=(N, rank)) @ rng.normal(size=(rank, D))
    return Z.astype(np.float32), {"y": Z.astype(np.float32)}


def targets_that_jump(decades):
    """Returns targets that from the second half on are about another mean."""
    Z, Y = latents(decades)
    Y["y"][len(Z) // 2 :] += 3000
    return Z, Y


def decoder_error(space, batch):
    """Returns how far the decoder is from least squares in float64."""
    Z, y = (x - x.mean(0, dtype=np.float64) for x in (batch[0].astype(np.float64), batch[1]["y"]))
    expected = np.linalg.lstsq(Z @ np.asarray(space.W["y"], np.float64).T, y)[0]
    return np.linalg.norm(space.A["y"] - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("data", [latents, sorted_by_class, uncorrelated])
@pytest.mark.parametrize("decades", [1, 3])
def test_decoders_are_as_accurate_as_of_few_rows(data, decades):
    batch = data(decades)
    assert decoder_error(fit_stream(cut(batch, *SIZES), k=D), batch) < 2e-6


def test_latents_that_nearly_add_up():
    # To round centred rows moves decoders by 2e-6 and 4e-5, and plain sums of the latents as
    # they come by 4e-4 and 4e-3.
    for decades, tol in ((2, 2e-5), (3, 3e-4)):
        batch = nearly_a_sum(decades)
        assert decoder_error(fit_stream(cut(batch, *SIZES), k=D), batch) < tol


@pytest.mark.parametrize("rank", [None, 8])
def test_latents_that_depend_on_others_have_axes_that_fit(rank):
    (axes, *_), _ = states(of_rank(rank))
    Z, _ = next(cut(of_rank(rank), 256))
    variances = np.var(Z @ np.asarray(axes.V), axis=0)
    assert np.all(variances <= _axes.MOST_GROWTH * axes.variances)


def test_targets_that_jump():
    # Of a variance that is 10^5 of what is explained, float32 leaves fewer digits.
    batch = targets_that_jump(1)
    assert decoder_error(fit_stream(cut(batch, *SIZES), k=D), batch) < 2e-5


def states(batch):
    """Returns the axes at every look at the sums, and the moments at the end."""
    m, axes, seen, count = Moments.zeros(D, {"y": D}).sums, None, [], 0
    for Z, Y in cut(batch, *SIZES):
        if axes is None:
            m = Moments(m, ()).update(Z, Y).sums
        else:
            m = _axes.update(m, axes, Z, Y, None, in_parts=True)
        if _axes.due(count, count + len(Z), D):
            m, axes = _axes.looked_at(m, axes)
            seen.append(axes)
        count += len(Z)
    return seen, _axes.own_coordinates(m, axes)


def test_axes_are_replaced_when_they_do_not_fit():
    seen, _ = states(latents(2))
    assert len(seen) == 4  # at 1024, 2048, 4096 and 8192 rows
    assert seen[0].V is not None
    assert all(axes.V is seen[0].V for axes in seen)
    seen, _ = states(sorted_by_class(2))
    assert seen[0].V is seen[1].V is seen[2].V is not seen[3].V
    for data in (uncorrelated(2), of_rank(None), of_rank(8)):
        seen, _ = states(data)
        assert all(axes.V is seen[0].V for axes in seen)
    assert states(uncorrelated(2))[0][0].V is None


@pytest.mark.parametrize("data", [latents, sorted_by_class, uncorrelated, targets_that_jump])
def test_moments_come_back_to_their_own_coordinates(data):
    batch = data(2)
    _, sums = states(batch)
    m = Moments(sums, Moments.zeros(D, {"y": D}).shapes)
    assert_holds(m, two_pass(*batch), 1e-6)


@pytest.mark.parametrize("stop", [3, 4, 5, 9, 39])
def test_an_interrupted_stream_goes_on(tmp_path, stop):
    batch = latents(2)
    options = {"k": D, "checkpoint_every": 0}
    whole = fit_stream(cut(batch, *SIZES), **options)
    path = tmp_path / "state"
    with pytest.raises(Killed):
        fit_stream(until(stop, batch, *SIZES), checkpoint=path, **options)
    assert_equal(fit_stream(cut(batch, *SIZES), checkpoint=path, **options), whole)


def test_latents_that_are_no_numbers_are_seen():
    Z, Y = latents(1)
    Z[300, 2] = np.nan
    space = fit_stream(cut((Z, Y), *SIZES), k=D)
    assert all(np.isnan(x).all() for x in jax.tree.leaves((space.W, space.A)))


def test_constant_latents_have_no_axes():
    Z, Y = latents(1)
    Z[:, 4:] = Z[0, 4:]
    assert decoder_error(fit_stream(cut((Z, Y), *SIZES), k=D), (Z, Y)) < 2e-6


def test_float64_needs_no_axes(x64, monkeypatch):
    monkeypatch.setattr(_axes, "looked_at", lambda *_: pytest.fail("it looked"))
    batch = jax.tree.map(np.float64, latents(1))
    assert decoder_error(fit_stream(cut(batch, *SIZES), k=D), batch) < 1e-12


def test_more_rows_are_looked_at_ever_more_rarely():
    looks = [n for n in range(0, 100_000, 100) if _axes.due(n, n + 100, D)]
    assert looks == [1000, 2000, 4000, 8100, 16_300, 32_700, 65_500]
    assert _axes.due(0, 100_000, D)  # several at once
    assert not _axes.due(8 * 1000 - 100, 8 * 1000 - 1, 1000)
    assert _axes.due(8 * 1000 - 100, 8 * 1000, 1000)


def test_rows_that_are_no_sample_of_the_others_get_all_products():
    Z, Y = uncorrelated(0)
    Z[::32] += 30 * np.random.default_rng(1).choice([-1, 1], D)  # those that are looked at first
    first, second = (jax.tree.map(lambda x, i=i: x[i : i + 8192], (Z, Y)) for i in (0, N - 8192))
    sums = Moments.from_batch(*first).sums
    sums = sums._replace(Szz={"": 100 * np.diag(np.diagonal(sums.Szz[""]))})  # that fits
    exact = Moments.from_batch(*second)
    got = _axes.update(sums, _axes.of_sums(sums, None), *second, None, in_parts=True)
    expected = _moments.merge(sums, exact.sums)
    for field in ("Szz", "Szy"):
        for name, S in getattr(expected, field).items():
            pairs = ((S, expected), (getattr(got, field)[name], got))
            a, b = (np.float64(x) + getattr(m.low, field)[name] for x, m in pairs)
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * abs(a).max())


@pytest.mark.parametrize("turned", [True, False])
def test_what_fits_takes_one_product_each(turned):
    """And the turn to the axes, if there is one."""
    Z, Y = next(cut(latents(1), 256))
    sums = Moments.from_batch(Z, Y).sums
    axes = _axes.of_sums(sums, np.eye(D, dtype=np.float32) if turned else None)
    program = jax.make_jaxpr(lambda *inputs: _axes.update(*inputs, None, in_parts=True))(
        sums, axes, Z, Y
    )
    where_all_fits = equations(program, lambda name: name != "cond")
    products = [e for e in where_all_fits if e.primitive.name == "dot_general"]
    sizes = [[v.aval.shape for v in e.invars] for e in products]
    of_rows = [shapes for shapes in sizes if any(len(Z) in shape for shape in shapes)]
    # Latents with latents, with targets, targets with targets; third moments are sums of rows.
    assert len(of_rows) == 3 + turned

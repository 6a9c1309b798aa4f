"""However rows are split, ordered and joined, the moments are those of all of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacelearn_jax.moments import Moments

from .batches import WIDTHS, D, assert_holds, held, part, rows, two_pass

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
B = 24
merge = Moments.merge


def padded(batch, kept):
    """Returns moments of some rows; the others are masked, so that one program serves all."""
    return Moments.from_batch(*batch, np.isin(np.arange(B), kept))


@st.composite
def splits(draw):
    """Draws an order of the rows, cut into parts that may be empty."""
    order = draw(st.permutations(range(B)))
    cuts = sorted(draw(st.lists(st.integers(0, B), min_size=1, max_size=6)))
    return [list(p) for p in np.split(np.array(order), cuts)]


@settings(max_examples=30, deadline=None)
@given(parts=splits(), dtype=st.sampled_from(["float32", "float64"]), data=st.data())
def test_any_split_in_any_order_is_the_whole(parts, dtype, data):
    with jax.enable_x64(True):
        batch = rows(0, B, dtype)
        many = [padded(batch, p) for p in parts]
        while len(many) > 1:
            i = data.draw(st.integers(0, len(many) - 2))
            many[i : i + 2] = [merge(many[i], many[i + 1])]
        assert_holds(many[0], two_pass(*batch), TOLERANCE[dtype])


@settings(max_examples=20, deadline=None)
@given(parts=splits())
def test_merging_is_associative_and_commutative(parts):
    batch = rows(1, B, "float32", offset=100.0)
    a, b, c = (padded(batch, p) for p in (parts * 3)[:3])
    for left, right in (
        (merge(a, merge(b, c)), merge(merge(a, b), c)),
        (merge(a, b), merge(b, a)),
    ):
        assert_holds(left, held(right), 1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zeros_is_neutral(dtype, x64):
    m = Moments.from_batch(*rows(0, dtype=dtype, offset=1e3))
    for zero in (Moments.zeros(D, WIDTHS, dtype), Moments.zeros(D, {"p": 4, "s": 1}, dtype)):
        for both in (m.merge(zero), zero.merge(m)):
            assert both.shapes == m.shapes
            jax.tree.map(np.testing.assert_array_equal, both, m)
    updated = Moments.zeros(D, WIDTHS, dtype).update(*rows(0, dtype=dtype, offset=1e3))
    jax.tree.map(np.testing.assert_array_equal, updated, m)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_updates_are_the_batch(dtype, x64):
    batch = rows(0, 60, dtype)
    m = Moments.zeros(D, WIDTHS, dtype)
    for start in range(0, 60, 20):
        m = m.update(*part(batch, slice(start, start + 20)))
    assert_holds(m, two_pass(*batch), TOLERANCE[dtype])
    assert {x.dtype for x in jax.tree.leaves(m)} == {np.dtype(dtype)}


def test_weights_are_repetitions(x64):
    batch, w = rows(0), np.random.default_rng(1).integers(0, 4, 40)
    weighted = Moments.from_batch(*batch, sample_weight=w)
    repeated = Moments.from_batch(*part(batch, np.repeat(np.arange(40), w)))
    assert_holds(weighted, held(repeated), 1e-12)
    real = np.random.default_rng(2).random(40)
    assert_holds(Moments.from_batch(*batch, sample_weight=real), two_pass(*batch, real), 1e-12)


def test_rows_without_weight_may_hold_anything():
    Z, Y = rows(0, dtype="float32")
    w = (np.arange(40) < 30).astype(np.float32)
    expected = Moments.from_batch(*part((Z, Y), slice(30)))
    Z[30:], Y["p"][30:] = np.nan, np.inf
    for m in (
        Moments.from_batch(Z, Y, sample_weight=w),
        Moments.from_batch(Z, Y, where=w > 0),
        Moments.from_batch(Z, Y, where=w > 0, sample_weight=np.ones(40, np.float32)),
        Moments.zeros(D, WIDTHS).update(Z, Y, w > 0),
    ):
        assert_holds(m, held(expected), 1e-6)
    assert np.isnan(Moments.from_batch(Z, Y).Szz).any()
    assert np.isnan(Moments.from_batch(*rows(0), sample_weight=-np.ones(40)).count)


def test_decay_weighs_earlier_rows_less(x64):
    first, second = rows(0), rows(1)
    m = Moments.from_batch(*first).update(*second, decay=0.25)
    both = jax.tree.map(lambda x, y: np.concatenate([x, y]), first, second)
    assert_holds(m, two_pass(*both, np.repeat([0.25, 1.0], 40)), 1e-12)
    nothing = np.zeros(40, bool)
    jax.tree.map(np.testing.assert_array_equal, m.update(*first, nothing, decay=0.5), m)


def test_decay_may_be_scheduled():
    m, batch = Moments.from_batch(*rows(0, dtype="float32")), rows(1, dtype="float32")
    traced = jax.jit(lambda m, d: m.update(*batch, decay=d))(m, jnp.float32(0.25))
    plain = m.update(*batch, decay=0.25)
    assert_holds(traced, held(plain), 1e-6)


def test_updates_can_be_scanned():
    Z, Y = rows(0, 80, "float32")
    stacked = jax.tree.map(lambda x: x.reshape(4, 20, *x.shape[1:]), (Z, Y))
    zero = Moments.zeros(D, {"p": 4, "s": 1})
    m, _ = jax.lax.scan(lambda m, batch: (m.update(*batch), None), zero, stacked)
    assert_holds(m, two_pass(Z, Y), 1e-6)


def test_samples_may_lack_quantities(x64):
    Z, Y = rows(0)
    has = {"p": np.arange(40) % 3 != 0, "s": np.arange(40) % 4 != 1}
    m = Moments.zeros(D, WIDTHS, "float64", missing=True)
    for index in (slice(25), slice(25, 40)):
        m = m.update(*part((Z, Y), index), part(has, index))
    whole = Moments.from_batch(Z, Y, has)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-9), m, whole)
    for q in WIDTHS:
        alone = two_pass(Z[has[q]], {q: Y[q][has[q]]})
        np.testing.assert_allclose(m.Szz[q], alone["Szz"])
        np.testing.assert_allclose(m.Szy[q], alone[f"Szy {q}"])
        assert float(m.counts[q]) == has[q].sum()
    assert float(m.count) == (has["p"] | has["s"]).sum()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_psum_joins_devices(dtype, x64):
    batch = rows(0, 40, dtype, offset=1e4 if dtype == "float32" else 0.0)
    uneven = np.arange(40) % 7 != 0
    uneven[:10] = False  # a device without rows
    shards = jax.tree.map(lambda x: x.reshape(4, 10, *x.shape[1:]), (*batch, uneven))
    each = functools.partial(Moments.from_batch)
    joined = jax.vmap(lambda *b: each(*b).psum("i"), axis_name="i")(*shards)
    global_ = jax.vmap(lambda z, y, w: each(z, y, w, axis_name="i"), axis_name="i")(*shards)
    expected = two_pass(*part(batch, uneven))
    for stack in (joined, global_):
        for i in range(4):
            assert_holds(jax.tree.map(lambda x, i=i: x[i], stack), expected, TOLERANCE[dtype])


def test_without_targets_there_is_no_Syy():
    batch = rows(0, dtype="float32")
    m = Moments.from_batch(*batch, targets=False)
    assert m.Syy is None
    both = m.merge(m.update(*batch))
    assert both.Syy is None
    assert float(both.count) == 120


def test_moments_carry_no_gradient():
    Z, Y = rows(0, dtype="float32")
    g = jax.grad(lambda z: Moments.from_batch(z, Y).update(z, Y).Szz.sum())(jnp.asarray(Z))
    assert not np.any(g)


def test_shapes_of_equal_width_are_not_mixed():
    Z = np.ones((8, 3), np.float32)
    F = np.arange(48, dtype=np.float32).reshape(8, 2, 3)
    m, other = (Moments.from_batch(Z, {"f": x}) for x in (F, F.transpose(0, 2, 1)))
    message = r"'f'\] must be of trailing axes \(2, 3\) as before, got \(3, 2\)"
    with pytest.raises(ValueError, match=message):
        m.update(Z, {"f": F.transpose(0, 2, 1)})
    with pytest.raises(ValueError, match=message):
        m.merge(other)
    assert float(m.update(Z, {"f": F.reshape(8, 6)}).count) == 16


def test_a_quantity_without_a_name_has_no_rows_of_its_own():
    Z = np.ones((8, 3), np.float32)
    where = dict.fromkeys(("", "a"), np.ones(8, bool))
    with pytest.raises(ValueError, match="must be named where quantities have rows of their own"):
        Moments.from_batch(Z, {"": Z, "a": Z}, where=where)


def test_decay_of_zero_forgets_nan_as_well():
    Z, Y = rows(0, 20, "float32")
    bad = Moments.from_batch(Z * np.nan, Y)
    assert_holds(bad.update(Z, Y, decay=0.0), two_pass(Z, Y), 1e-6)


@pytest.mark.parametrize("decay", [-0.5, 1.5, np.nan])
def test_a_traced_decay_out_of_range_counts_as_nothing(decay):
    batch = rows(0, 20, "float32")
    m = Moments.from_batch(*batch)
    got = jax.jit(lambda decay: m.update(*batch, decay=decay))(decay)
    assert np.isnan(got.count)
    assert np.isnan(got.Szz).all()


@pytest.mark.parametrize("names", [{"": 1}, {"": 1, "a": 3}])
def test_the_name_of_all_rows_is_refused_beside_missing_quantities(names):
    Moments.zeros(4, names)
    with pytest.raises(ValueError, match=r"Moments.zeros: p\[''\] must be named .* Rename it"):
        Moments.zeros(4, names, missing=True)


def test_shown_by_shapes():
    Z = jnp.eye(5)
    m = Moments.from_batch(Z, {"p": Z[:, :2]}, targets=False)
    assert repr(m) == (
        "Moments(n={'': 'float32[]'}, z_mean={'': 'float32[5]'}, y_mean={'p': 'float32[2]'}, "
        "Szz={'': 'float32[5, 5]'}, Szy={'p': 'float32[5, 2]'}, Syy=None, shapes={'p': (2,)})"
    )

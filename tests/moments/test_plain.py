"""The moments of a batch from single products are those of two passes."""

import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import _moments
from spacelearn_jax.moments import Moments

from .batches import WIDTHS, D, assert_holds, part, rows, two_pass


def plain(Z, Y, where=None, *, V=None, in_parts=True):
    sums, larger = _moments.of_plain_batch(
        jnp.asarray(Z), Y, where, jnp.dtype("float32"), V=V, fourth=True, in_parts=in_parts
    )
    return Moments(sums, Moments.zeros(D, WIDTHS).shapes), larger


@pytest.mark.parametrize("B", [1, 5, 256, 2000, 2500, 10_000])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_it_is_two_pass(B, offset):
    batch = rows(0, B, "float32", offset)
    m, larger = plain(*batch)
    assert_holds(m, two_pass(*batch), 2e-6)
    assert larger < 0.5


def test_parts_are_the_whole():
    # Three of 834 rows: two are in two of them.
    Z, Y = rows(0, 2500, "float32", 30.0)
    assert_holds(plain(Z, Y, in_parts=False)[0], two_pass(Z, Y), 2e-6)
    keep = np.arange(2500) % 3 != 1
    expected = two_pass(*part((Z, Y), keep))
    for in_parts in (False, True):
        assert_holds(plain(Z, Y, jnp.asarray(keep), in_parts=in_parts)[0], expected, 2e-6)


def test_many_rows_lose_no_more_digits_than_few():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((400_000, D), dtype=np.float32) + 3
    Y = {"p": Z[:, : np.prod(WIDTHS["p"])], "s": Z[:, 0]}
    assert_holds(plain(Z, Y)[0], two_pass(Z, Y), 3e-7)


def test_masked_rows_are_left_out():
    Z, Y = rows(0, 2000, "float32")
    keep = np.arange(2000) < 1234
    expected = two_pass(*part((Z, Y), keep))
    Z[~keep] = np.nan
    assert_holds(plain(Z, Y, jnp.asarray(keep))[0], expected, 2e-6)


@pytest.mark.parametrize("field", ["Z", "p", "s"])
def test_rows_that_are_no_sample_of_the_others_show(field):
    Z, Y = rows(0, 8192, "float32")
    x = Z if field == "Z" else Y[field]
    x[::32] += 100  # the rows that are looked at first
    m, larger = plain(Z, Y)
    assert 20 < larger < 32
    assert_holds(m, two_pass(Z, Y), 2e-4)


def test_coordinates():
    Z, Y = rows(0, 2000, "float32", 30.0)
    V = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0].astype(np.float32)
    expected = two_pass(Z.astype(np.float64) @ V, Y)
    assert_holds(plain(Z, Y, V=jnp.asarray(V))[0], expected, 5e-6)


def test_constant_columns_have_no_variance():
    Z, Y = rows(0, 2000, "float32", 1e4)
    Z[:, 2] = 0.1
    m, larger = plain(Z, Y)
    S = m.sums.Szz[""]
    assert larger < 0.5
    assert not S[2].any()
    assert not S[:, 2].any()

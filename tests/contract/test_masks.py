"""A mask gives what the kept rows alone give, whatever the masked rows hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .closeness import assert_close, assert_finite
from .registry import CASES, COUNT, DIFFERENTIABLE, DISTINCT, REDUCING, B, D, evaluate, ids, rows

# The sums have another length, and the padding rows pass through the factorizations.
MULTIPLE = 4096
MOST = np.isin(np.arange(B), (0, 3, 7, 8, 15), invert=True)
FEW = np.isin(np.arange(B), (2, 3, 9, 11, 14))
assert FEW.sum() < D < MOST.sum()

# Where the number of rows bounds the rank, and with it the result.
COUNTING_ROWS = ("isotropy_loss", "fit_decoders", "k_per_q", "combined_loss")
MASKED = [
    case
    for case in REDUCING
    if case in DISTINCT or (case.label == "eigen" and case.covers in COUNTING_ROWS)
]

# What a padding row may hold: nothing that is legal in the dtype may leak.
JUNK = (np.nan, np.inf, -np.inf, 1e30, 0.0)


def spoil(x, valid):
    """Overwrites the masked rows with values that spoil everything they touch."""
    junk = np.resize(JUNK, x[~valid].shape)
    return x.at[~valid].set(jnp.asarray(junk, x.dtype))


def restore(gradient, valid):
    """Puts the gradient of the kept rows back among zeros."""
    whole = jnp.zeros((B, *gradient.shape[1:]), gradient.dtype)
    return whole.at[valid].set(gradient)


def check(case, valid, dtype):
    inputs = case.inputs(dtype)
    spoilt = rows(case, inputs, lambda x: spoil(x, valid))
    out, gradient = evaluate(case)(spoilt, where=jnp.asarray(valid))
    wanted, kept = evaluate(case)(rows(case, inputs, lambda x: x[valid]))
    assert_close(out, wanted, multiple=MULTIPLE)
    kept = rows(case, kept, lambda g: restore(g, valid))
    assert_close(gradient, kept, multiple=MULTIPLE, floor=1e-2)


@pytest.mark.parametrize("case", MASKED, ids=ids)
def test_mask_is_the_subset_in_float32(case):
    check(case, MOST, jnp.float32)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", [c for c in MASKED if c.kind == DIFFERENTIABLE], ids=ids)
def test_mask_is_the_subset_in_float64(case):
    check(case, MOST, jnp.float64)


@pytest.mark.parametrize("case", [c for c in MASKED if c.covers in COUNTING_ROWS], ids=ids)
def test_mask_with_fewer_rows_than_latents_is_the_subset(case):
    check(case, FEW, jnp.float32)


@pytest.mark.parametrize("case", [c for c in MASKED if c in CASES], ids=ids)
def test_full_mask_changes_nothing(case):
    inputs = case.inputs(jnp.float32)
    every = jnp.ones(B, bool)
    assert_close(case(inputs, where=every), case(inputs), multiple=MULTIPLE)


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("case", MASKED, ids=ids)
def test_mask_of_one_row_or_none_stays_finite(case, n):
    valid = np.arange(B) == (3 if n else B)
    inputs = rows(case, case.inputs(jnp.float32), lambda x: spoil(x, valid))
    out, gradient = evaluate(case)(inputs, where=jnp.asarray(valid))
    assert_finite((out, gradient))
    masked = rows(case, gradient, lambda g: g[~valid])
    assert all(not np.any(g) for name in case.batch for g in jax.tree.leaves(masked[name]))
    if case.kind == COUNT:
        # What has no variance has one mode, and never the code of an error.
        assert all(int(np.min(x)) >= 1 for x in jax.tree.leaves(out))

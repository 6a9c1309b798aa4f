"""A mask for every quantity: the plain mask where they agree, and no leak where not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .closeness import assert_close, assert_finite
from .registry import DISTINCT, REDUCING, B, evaluate, ids
from .test_masks import MOST, MULTIPLE, spoil

CASES = [case for case in REDUCING if case in DISTINCT and case.label != "unreduced"]
QUANTITIES = ("W", "W_two", "Y", "Y_two", "fields")


def names(case):
    """Returns the names of the quantities of a case."""
    inputs = case.inputs()
    return sorted(next(inputs[name] for name in QUANTITIES if name in case.args))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_one_mask_for_all_is_the_plain_mask(case):
    inputs = case.inputs(jnp.float32)
    mask = jnp.asarray(MOST)
    plain = case(inputs, where=mask)
    mapped = case(inputs, where=dict.fromkeys(names(case), mask))
    if case.covers == "track_subspaces":
        # The moments are kept quantity by quantity.
        plain, mapped = plain[:2], mapped[:2]
    assert_close(mapped, plain, multiple=MULTIPLE)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_what_a_quantity_lacks_reaches_nothing(case):
    inputs = case.inputs(jnp.float32)
    have = {q: np.arange(B) % (i + 2) != 1 for i, q in enumerate(names(case))}
    for name in ("Y", "Y_two", "fields"):
        if name in case.args:
            inputs[name] = {q: spoil(y, have[q]) for q, y in inputs[name].items()}
    out, gradient = evaluate(case)(inputs, where=jax.tree.map(jnp.asarray, have))
    assert_finite((out, gradient))

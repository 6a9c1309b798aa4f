"""Derivatives are right, forward and reverse; what is solved has none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from .registry import (
    CASES,
    COUNT,
    DIFFERENTIABLE,
    DISTINCT,
    ROUTES,
    SOLVED,
    ids,
    jitted,
    objective,
)


def smooth(case):
    """Returns the outputs that carry a gradient, as a function to be differentiated."""
    return lambda inputs: case.observe(jitted(case)(inputs))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "case",
    [c for c in ROUTES if c.kind == DIFFERENTIABLE and (c in DISTINCT or c not in CASES)],
    ids=ids,
)
def test_first_derivatives_are_those_of_finite_differences(case):
    inputs = case.inputs(jnp.float64)
    check_grads(smooth(case), (inputs,), order=1, modes=("fwd", "rev"))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "case",
    [c for c in DISTINCT if c.kind == DIFFERENTIABLE and c.order > 1 and not c.by_row],
    ids=ids,
)
def test_second_derivatives_are_those_of_finite_differences(case):
    inputs = case.inputs(jnp.float64)
    gradient = jax.jit(jax.grad(lambda x: objective(smooth(case)(x))))
    # Angles in degrees are steep: finite differences keep fewer digits.
    check_grads(gradient, (inputs,), order=1, modes=("fwd",), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c.kind in (SOLVED, COUNT)], ids=ids)
def test_what_is_solved_carries_no_gradient(case):
    inputs = case.inputs(jnp.float32)
    ones = jax.tree.map(jnp.ones_like, inputs)

    # Of derivatives alone, without values, nothing is left to compile where they are zeros.
    @jax.jit
    def derivatives(x):
        gradient = jax.grad(lambda x: objective(case(x)))(x)
        _, tangents = jax.jvp(case, (x,), (ones,))
        tangents = [t for t in jax.tree.leaves(tangents) if t.dtype != jax.dtypes.float0]
        return gradient, tangents

    found = jax.tree.leaves(derivatives(inputs))
    assert len(found) >= len(jax.tree.leaves(inputs))
    assert all(not np.any(x) for x in found)


@pytest.mark.parametrize("name", ["full", "left", "right"])
def test_singular_vectors_carry_no_gradient(name):
    (case,) = (c for c in CASES if c.covers == name)
    inputs = case.inputs(jnp.float32)

    def vectors(x):
        return [v for v in case(x) if v.ndim == 2]

    out, tangents = jax.jvp(vectors, (inputs,), (inputs,))
    assert len(out) >= 1
    assert not any(np.any(t) for t in tangents)

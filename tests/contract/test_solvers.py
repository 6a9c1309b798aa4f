"""Every route of a factorization leads to the same place."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from spacelearn_jax import linalg

from .closeness import assert_close
from .registry import CASES, DIFFERENTIABLE, HOST_ONLY, SOLVERS, evaluate, ids
from .surface import public

FACTORIZING = [case for case in CASES if "solver" in case.keywords and not case.label]


def one_quantity(case):
    """Leaves one quantity, with several directions."""
    inputs = case.inputs(jnp.float64)
    for name, value in inputs.items():
        if isinstance(value, dict):
            q = "vorticity" if "vorticity" in value else "image"
            inputs[name] = {q: value[q]}
    return inputs


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("case", FACTORIZING, ids=ids)
def test_solvers_agree(case, solver):
    inputs = one_quantity(case)
    routed = case.but("", options={"solver": solver})
    assert_close(routed(inputs), case(inputs), multiple=1e5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize(
    "case",
    [c for c in FACTORIZING if c.covers in ("isotropy_loss", "singular_values")],
    ids=ids,
)
def test_gradients_of_solvers_agree(case, solver):
    assert case.kind == DIFFERENTIABLE
    inputs = case.inputs(jnp.float64)
    routed = case.but("", options={"solver": solver})
    assert_close(evaluate(routed)(inputs), evaluate(case)(inputs), multiple=1e5)


def test_what_factorizes_takes_a_solver():
    have = {case.covers for case in FACTORIZING}
    named = {
        name
        for name, value in public().items()
        if inspect.isfunction(value) and "solver" in inspect.signature(value).parameters
    }
    # Those that run on the host hand it to one of the others.
    assert have == named - HOST_ONLY.keys()


def test_low_rank_is_repeatable_and_seeded():
    A = jax.random.normal(jax.random.key(0), (40, 30), jnp.float32)
    first, again, other = (
        linalg.singular_values(A, solver=linalg.LowRank(rank=3, n_iter=0, seed=seed))
        for seed in (1, 1, 2)
    )
    assert_close(again, first, multiple=0)
    assert bool((other != first).any())

"""Products that feed a factorization or a fit are exact; losses follow the user."""

import jax
import jax.numpy as jnp
import pytest

from ..jaxprs import FACTORIZATIONS, equations, precisions
from .registry import CASES, ROUTES, evaluate, ids

HIGHEST = (jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)


def programs(case):
    """Yields the traced value and the traced gradient."""
    inputs = case.inputs(jnp.float32)
    yield jax.make_jaxpr(case)(inputs)
    yield jax.make_jaxpr(evaluate(case))(inputs)


def primitives(case):
    return {eqn.primitive.name for eqn in equations(next(programs(case)))}


@pytest.mark.parametrize("case", [c for c in ROUTES if c.exact], ids=ids)
def test_what_is_factorized_or_fitted_is_exact(case):
    for setting in (None, "bfloat16", "float32"):
        with jax.default_matmul_precision(setting):
            for program in programs(case):
                assert all(p == HIGHEST for p in precisions(program)), setting


@pytest.mark.parametrize("case", [c for c in CASES if c.exact is False], ids=ids)
def test_projections_follow_the_user(case):
    for program in programs(case):
        assert precisions(program)
        assert all(p is None for p in precisions(program))
    with jax.default_matmul_precision("highest"):
        for program in programs(case):
            assert all(p == HIGHEST for p in precisions(program))


MIXED = [c for c in CASES if c.covers.startswith(("disentanglement", "combined"))]


@pytest.mark.parametrize("case", MIXED, ids=ids)
def test_losses_follow_the_user_but_for_what_is_factorized(case):
    for program in programs(case):
        found = precisions(program)
        assert None in found
        assert (HIGHEST in found) == (case.covers == "combined_loss")
    with jax.default_matmul_precision("highest"):
        for program in programs(case):
            assert all(p == HIGHEST for p in precisions(program))


@pytest.mark.parametrize("case", [c for c in ROUTES if c not in MIXED and not c.exact], ids=ids)
def test_nothing_else_factorizes(case):
    assert case.covers == "solve_dims" or not primitives(case) & FACTORIZATIONS


def test_factorizations_are_seen():
    for case in ROUTES:
        if case.covers in ("isotropy_loss", "subspaces", "fit_decoders", "full"):
            assert primitives(case) & FACTORIZATIONS, str(case)

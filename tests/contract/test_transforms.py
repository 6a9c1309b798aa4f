"""jit, vmap and scan give what a plain call gives; a plain call is compiled, once."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ..jaxprs import CALLS, compilations, lapack_calls
from .closeness import assert_close
from .registry import (
    CASES,
    COUNT,
    DIFFERENTIABLE,
    DISTINCT,
    REDUCING,
    ROUTES,
    B,
    ids,
    jitted,
    objective,
    rows,
)

# Reordered sums, through a division by a small mean at most.
MULTIPLE = 256
SEEDS = (0, 1, 2)
# What the other functions are made of: without jit every operation is a program.
BASIC = {
    "combined_loss",
    "stability_loss",
    "solve_subspaces",
    "principal_directions",
    "Moments.update",
    "fit_decoders",
    "Space.decode",
    "pool",
}
STACKED = [case for case in CASES if case.calls is not None]


def one_by_one(case):
    """Returns stacked inputs, and the stacked outputs of one call each."""
    inputs = [case.inputs(jnp.float32, seed=seed) for seed in SEEDS]
    outputs = [case(each) for each in inputs]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *inputs)
    return stacked, jax.tree.map(lambda *x: jnp.stack([jnp.asarray(v) for v in x]), *outputs)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_jit_gives_the_plain_value(case):
    inputs = case.inputs(jnp.float32)
    assert_close(jitted(case)(inputs), case(inputs), multiple=MULTIPLE)


@pytest.mark.parametrize("case", [c for c in DISTINCT if c.covers in BASIC], ids=ids)
def test_operation_by_operation_gives_the_compiled_value(case):
    inputs = case.inputs(jnp.float32)
    with jax.disable_jit():
        slow = case(inputs)
    assert_close(slow, case(inputs), multiple=MULTIPLE)


def assert_one_matrix_at_a_time(lowered):
    for call in lapack_calls(lowered.as_text()):
        assert call.count("x") <= 2, call  # rows, columns and dtype


@pytest.mark.parametrize("case", DISTINCT, ids=ids)
def test_vmap_is_a_loop_over_one_matrix_at_a_time(case):
    """Two calls of LAPACK with stacks can wait for each other forever: see linalg._lapack."""
    stacked, expected = one_by_one(case)
    lowered = jax.jit(jax.vmap(case)).lower(stacked)
    assert_one_matrix_at_a_time(lowered)
    assert_close(lowered.compile()(stacked), expected, multiple=MULTIPLE)


@pytest.mark.parametrize("case", [c for c in ROUTES if c.kind == DIFFERENTIABLE], ids=ids)
def test_derivatives_of_many_take_one_matrix_at_a_time(case):
    derivative = jax.grad(lambda x: objective(case.observe(case(x))))
    if case.order > 1:
        derivative = jax.jacfwd(derivative)
    stacked = jax.tree.map(lambda x: jnp.stack([x, x, x]), case.inputs(jnp.float32))
    assert_one_matrix_at_a_time(jax.jit(jax.vmap(derivative)).lower(stacked))


@pytest.mark.parametrize("case", DISTINCT, ids=ids)
def test_scan_is_a_loop(case):
    stacked, expected = one_by_one(case)
    _, scanned = jax.lax.scan(lambda carry, x: (carry, case(x)), None, stacked)
    assert_close(scanned, expected, multiple=MULTIPLE)


@pytest.mark.parametrize("case", STACKED, ids=ids)
def test_plain_call_is_compiled(case):
    top = jax.make_jaxpr(case)(case.inputs(jnp.float32)).jaxpr.eqns
    outside = [e for e in top if e.primitive.name not in CALLS]
    if case.kind == COUNT:
        # Counts are turned into sizes one by one: scalars, and the few candidate sizes.
        assert all(v.aval.size <= B for e in outside for v in [*e.invars, *e.outvars])
        big = [e for e in top if any(v.aval.size > B for v in e.invars)]
        assert len(big) == case.calls
    else:
        assert len(top) - len(outside) == case.calls
        # A decoder (k,) is seen as (k, 1).
        assert {e.primitive.name for e in outside} <= {"reshape"}


def reversed_names(tree):
    """Rebuilds mappings with their names inserted the other way round."""
    if isinstance(tree, dict):
        return {name: reversed_names(tree[name]) for name in reversed(list(tree))}
    return tree


@pytest.mark.parametrize("case", STACKED, ids=ids)
def test_second_call_compiles_nothing(case):
    first, second = (case.inputs(jnp.float32, seed=seed) for seed in (0, 1))
    second = {name: reversed_names(value) for name, value in second.items()}
    case(first)
    with compilations() as events:
        case(second)
    assert not events


@pytest.mark.parametrize("case", STACKED, ids=ids)
def test_second_call_inside_jit_compiles_nothing(case):
    first, second = (case.inputs(jnp.float32, seed=seed) for seed in (0, 1))
    run = jitted(case)
    run(first)
    with compilations() as events:
        run(second)
    assert not events


@pytest.mark.parametrize("case", [c for c in REDUCING if c in DISTINCT], ids=ids)
def test_another_mask_compiles_nothing(case):
    inputs = case.inputs(jnp.float32)
    first, second = (jnp.asarray(np.arange(B) < n) for n in (12, 9))
    case(inputs, where=first)
    with compilations() as events:
        case(inputs, where=second)
    assert not events


def test_compilations_are_seen():
    with compilations() as events:
        jax.jit(lambda x: x + 1)(jnp.zeros(3, jnp.float32))
    assert events


@pytest.mark.parametrize("case", DISTINCT, ids=ids)
def test_order_of_insertion_changes_nothing(case):
    inputs = case.inputs(jnp.float32)
    backwards = {name: reversed_names(value) for name, value in inputs.items()}
    expected = case(inputs)
    assert_close(case(backwards), expected, multiple=0)
    assert_close(jitted(case)(backwards), jitted(case)(inputs), multiple=0)


@pytest.mark.parametrize("case", DISTINCT, ids=ids)
def test_names_come_back_sorted(case):
    def check(out):
        if isinstance(out, dict):
            names = list(out)
            # Terms of the loss and measures of change are not quantities.
            assert names == sorted(names) or case.covers in ("combined_loss", "subspace_change")
        elif isinstance(out, tuple):
            for each in out:
                check(each)

    inputs = {name: reversed_names(value) for name, value in case.inputs(jnp.float32).items()}
    check(case(inputs))


@pytest.mark.parametrize("case", DISTINCT, ids=ids)
def test_any_mapping_will_do(case):
    inputs = case.inputs(jnp.float32)
    mapped = {
        name: types.MappingProxyType(value) if isinstance(value, dict) else value
        for name, value in inputs.items()
    }
    assert_close(case(mapped), case(inputs), multiple=0)


@pytest.mark.parametrize("case", DISTINCT, ids=ids)
def test_numpy_arrays_will_do(case):
    inputs = case.inputs(jnp.float32)
    host = jax.tree.map(np.asarray, inputs)
    if case.calls is None:
        # These hand their inputs to the user's functions as they are.
        case(host)
    else:
        assert_close(case(host), case(inputs), multiple=0)


@pytest.mark.parametrize("case", [c for c in CASES if c.by_row], ids=ids)
def test_rows_are_treated_one_by_one(case):
    inputs = case.inputs(jnp.float32)
    few = rows(case, inputs, lambda x: x[3:7])
    whole = jax.tree.map(lambda x: x[3:7], case(inputs))
    assert_close(case(few), whole, multiple=MULTIPLE)

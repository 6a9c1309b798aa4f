"""One dtype rule for all functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ..jaxprs import dtypes, equations
from .closeness import assert_close
from .registry import CASES, COUNT, DISTINCT, ROUTES, SOLVED, cast, evaluate, ids

SIXTEEN = (jnp.float16, jnp.bfloat16)
MIXTURES = (
    (jnp.float32, jnp.float16),
    (jnp.float32, jnp.float64),
    (jnp.float16, jnp.bfloat16),
    (jnp.bfloat16, jnp.float64),
)
FLOATS = (*SIXTEEN, jnp.float32, jnp.float64)

# These apply the user's functions, which decide, or but move values.
KEEPING = ("compute_Q", "ensure_dim", "as_latents")
COMPUTING = [case for case in DISTINCT if case.covers not in KEEPING]


def result_dtypes(case, inputs):
    """Returns the dtypes of the floating outputs, without computing them."""
    out = jax.eval_shape(case, inputs)
    if case.kind == COUNT:
        assert all(x.dtype == jnp.int32 for x in jax.tree.leaves(out))
        return set()
    if case.covers == "combined_loss" and isinstance(out, tuple):
        out = out[0]  # a term has the dtype of its own arguments
    return {jnp.dtype(x.dtype) for x in jax.tree.leaves(out)}


def expected(case, *given):
    if case.kind == COUNT:
        return set()
    return {jnp.dtype(jnp.float64 if jnp.float64 in given else jnp.float32)}


@pytest.mark.parametrize("dtype", FLOATS[:3])
@pytest.mark.parametrize("case", COMPUTING, ids=ids)
def test_result_dtype(case, dtype):
    assert result_dtypes(case, case.inputs(dtype)) == expected(case, dtype)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", COMPUTING, ids=ids)
def test_result_dtype_with_x64(case, dtype):
    assert result_dtypes(case, case.inputs(dtype)) == expected(case, dtype)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", COMPUTING, ids=ids)
def test_mixed_dtypes_have_one_result(case):
    for name in case.args:
        for others, dtype in MIXTURES:
            mixed = case.inputs(others)
            mixed[name] = cast(mixed[name], dtype)
            assert result_dtypes(case, mixed) == expected(case, dtype, others), (name, dtype)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", COMPUTING, ids=ids)
def test_one_wide_quantity_widens_the_result(case):
    for name in (n for n, value in case.inputs().items() if isinstance(value, dict)):
        mixed = case.inputs(jnp.float32)
        first = next(iter(mixed[name]))
        mixed[name] = {**mixed[name], first: mixed[name][first].astype(jnp.float64)}
        assert result_dtypes(case, mixed) == expected(case, jnp.float64)


@pytest.mark.parametrize("case", COMPUTING, ids=ids)
def test_numpy_float64_is_float32_without_x64(case):
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), case.inputs(jnp.float32))
    for leaf in jax.tree.leaves(case(wide)):
        assert isinstance(leaf, int) or leaf.dtype == jnp.float32


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", [c for c in ROUTES if c in COMPUTING or c.label], ids=ids)
def test_float32_never_meets_float64(case):
    inputs = case.inputs(jnp.float32)
    assert "float64" not in dtypes(jax.make_jaxpr(case)(inputs))
    assert "float64" not in dtypes(jax.make_jaxpr(evaluate(case))(inputs))
    if case in CASES and "where" in case.keywords:
        masked = jax.make_jaxpr(lambda x, valid: case(x, where=valid))
        assert "float64" not in dtypes(masked(inputs, jnp.ones(16, bool)))


@pytest.mark.usefixtures("x64")
def test_float64_is_seen():
    assert "float64" in dtypes(jax.make_jaxpr(lambda x: x.astype(float))(jnp.float32(1)))


@pytest.mark.parametrize("dtype", SIXTEEN)
@pytest.mark.parametrize("case", COMPUTING, ids=ids)
def test_nothing_is_computed_in_sixteen_bits(case, dtype):
    moves = {"convert_element_type", "stop_gradient", "reshape", "jit", "pjit", "custom_jvp_call"}
    for eqn in equations(jax.make_jaxpr(case)(case.inputs(dtype))):
        if eqn.primitive.name not in moves:
            assert dtype not in {getattr(v.aval, "dtype", None) for v in eqn.outvars}, eqn


# Those with a division by something that may underflow, and a fit.
DIVIDING = ("disentanglement_loss", "disentanglement_loss_original", "isotropy_loss")


@pytest.mark.parametrize(
    "case", [c for c in DISTINCT if c.covers in (*DIVIDING, "fit_decoders")], ids=ids
)
def test_sixteen_bits_give_what_their_float32_values_give(case):
    narrow = case.inputs(jnp.float16)
    wide = cast(narrow, jnp.float32)
    if case.covers not in DIVIDING:
        assert_close(case(narrow), case(wide), multiple=64)
        return
    out, gradient = evaluate(case)(narrow)
    wanted, wide = evaluate(case)(wide)
    assert_close(out, wanted, multiple=64)
    # A gradient has the dtype of what it belongs to, rounded once.
    assert_close(gradient, jax.tree.map(lambda g: g.astype(jnp.float16), wide), multiple=4)


TARGETS = ("Y", "Y_two", "fields", "x")
TARGETED = [c for c in COMPUTING if set(c.args) & set(TARGETS) and c.covers != "input_to_quantity"]


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.uint8, jnp.bool_])
@pytest.mark.parametrize("case", TARGETED, ids=ids)
def test_integer_and_bool_targets_are_converted(case, dtype):
    inputs = case.inputs(jnp.float32)
    whole = jax.tree.map(lambda x: x, inputs)
    for name in set(case.args) & set(TARGETS):
        whole[name] = jax.tree.map(lambda x: jnp.abs(jnp.round(x)).astype(dtype), inputs[name])
        inputs[name] = cast(jax.tree.map(lambda x: x.astype(jnp.float32), whole[name]))
    shapes = [(x.shape, x.dtype) for x in jax.tree.leaves(jax.eval_shape(case, inputs))]
    given = [(x.shape, x.dtype) for x in jax.tree.leaves(jax.eval_shape(case, whole))]
    assert given == shapes
    if dtype == jnp.int32 and case.kind != SOLVED:
        assert_close(case(whole), case(inputs), multiple=16)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", TARGETED, ids=ids)
def test_wide_integers_do_not_widen_the_result(case):
    inputs = case.inputs(jnp.float32)
    for name in set(case.args) & set(TARGETS):
        inputs[name] = jax.tree.map(lambda x: x.astype(jnp.int64), inputs[name])
    assert result_dtypes(case, inputs) == expected(case, jnp.float32)


@pytest.mark.parametrize("case", [c for c in COMPUTING if not c.label], ids=ids)
def test_arrays_of_another_byte_order_are_converted(case):
    def swapped(x):
        x = np.asarray(x)
        return x.astype(x.dtype.newbyteorder()) if x.dtype.itemsize > 1 else x

    inputs = case.inputs(jnp.float32)
    numpy = {name: jax.tree.map(swapped, value) for name, value in inputs.items()}
    got, expected = (jax.eval_shape(lambda x=x: case(x)) for x in (numpy, inputs))
    assert jax.tree.leaves(got) == jax.tree.leaves(expected)

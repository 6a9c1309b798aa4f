"""Functions that are compiled with their checks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import loss
from spacelearn_jax._compile import checked_once

X = {"a": jnp.ones((2, 3)), "b": jnp.zeros((2, 3))}


def counted():
    """Returns a function and the list of what it was called with."""
    calls = []

    @checked_once(static=("power",))
    def total(x, scale=None, power=1):
        calls.append(x)
        if type(power) is not int:
            raise TypeError("power must be an int")
        scale = 1 if scale is None else scale
        return scale * sum(jnp.sum(v**power) for v in x.values())

    return total, calls


def test_what_has_passed_is_not_checked_again():
    total, calls = counted()
    for scale in (1.0, 2.0, 3.0):
        assert total(jax.tree.map(lambda x: x + 1, X), jnp.asarray(scale)) == 18 * scale
    assert len(calls) == 1
    assert total(X, power=2) == 6
    assert len(calls) == 2
    total({"a": X["a"]})
    assert len(calls) == 3


def test_other_shapes_and_dtypes_are():
    total, calls = counted()
    total(X)
    total({name: x[:1] for name, x in X.items()})
    total({name: x.astype(jnp.bfloat16) for name, x in X.items()})
    assert len(calls) == 3


@pytest.mark.parametrize(
    "given", [jax.tree.map(np.asarray, X), {**X, "b": 1.0}, {"a": np.float32(2.0)}]
)
def test_what_is_no_jax_array_comes_as_it_is(given):
    total, calls = counted()
    for count in (1, 2):
        total(given)
        assert len(calls) == count
        assert calls[-1] is given


def test_tracers_come_as_they_are():
    total, calls = counted()
    jax.grad(total)(X)
    jax.grad(total)(X)
    assert len(calls) == 2


def test_options_may_be_given_by_position():
    total, calls = counted()
    for _ in range(2):
        assert total(X, None, 2) == 6
    assert len(calls) == 1


@pytest.mark.parametrize("power", [True, 1.0, [1], jnp.asarray(1)])
def test_options_that_equal_one_that_passed_are_checked(power):
    total, _ = counted()
    total(X, power=1)
    with pytest.raises(TypeError, match="power must be an int"):
        total(X, power=power)
    with pytest.raises(TypeError, match="power must be an int"):
        total(X, None, power)


def test_a_number_of_directions_may_be_an_array_outside_of_jit():
    Z = jnp.arange(12.0).reshape(4, 3) ** 2
    W = {"a": jnp.eye(1, 3)}
    assert loss.isotropy_loss(Z, W, jnp.asarray(2)) == loss.isotropy_loss(Z, W, 2)


def test_too_many_arguments_are_refused():
    total, _ = counted()
    with pytest.raises(TypeError, match="takes from 1 to 3 positional arguments"):
        total(X, None, 1, 2)


def test_errors_are_raised_every_time():
    total, calls = counted()
    for count in (1, 2):
        with pytest.raises(TypeError, match="power must be an int"):
            total(X, power="one")
        assert len(calls) == count


def test_names_without_an_order_get_the_error_of_names():
    with pytest.raises(TypeError, match="stability_loss: W must be keyed by str"):
        loss.stability_loss({"a": X["a"], 1: X["b"]}, None)


def test_it_keeps_name_documentation_and_signature():
    assert loss.stability_loss.__name__ == "stability_loss"
    assert "Example:" in loss.stability_loss.__doc__
    assert loss.stability_loss.__module__ == "spacelearn_jax.loss._stability"

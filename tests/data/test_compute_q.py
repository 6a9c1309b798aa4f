"""Joining quantity functions: who gets which input, and under which name."""

import dataclasses
import functools
import inspect
import pickle

import jax
import numpy as np
import pytest

from spacelearn_jax import data
from spacelearn_jax.loss import combine

U = np.ones((2, 1, 4, 4), np.float32)


def energy(u, v=0.0):
    return 0.5 * (u**2 + v**2)


def everything(**fields):
    return sorted(fields)


def test_each_function_gets_what_it_names():
    seen = {}

    def left(a):
        seen["left"] = a
        return a

    def right(b, *, c):
        seen["right"] = b, c
        return b

    out = data.compute_Q(left, right)(a=1, b=2, c=3)
    assert out == {"left": 1, "right": 2}
    assert seen == {"left": 1, "right": (2, 3)}


def test_defaults_are_used_or_overridden():
    call = data.compute_Q(energy)
    assert call(u=2.0)["energy"] == 2.0
    assert call(u=2.0, v=2.0)["energy"] == 4.0


def test_open_ended_functions_get_everything():
    call = data.compute_Q(energy, seen=everything)
    assert call(u=1.0, v=1.0, w=1.0)["seen"] == ["u", "v", "w"]


def test_two_lambdas_by_keyword():
    call = data.compute_Q(double=lambda u: 2 * u, triple=lambda u: 3 * u)
    assert call(u=1) == {"double": 2, "triple": 3}


def test_names_are_sorted():
    call = data.compute_Q(z=lambda u: u, a=lambda u: u, m=lambda u: u)
    assert list(call(u=0)) == ["a", "m", "z"]


def test_partial_methods_and_callables():
    class Scale:
        def __call__(self, u):
            return 2 * u

        def method(self, u):
            return 3 * u

    half = functools.partial(lambda u, by: u * by, by=0.5)
    call = data.compute_Q(Scale().method, half=half, scale=Scale())
    assert call(u=2) == {"half": 1.0, "method": 6, "scale": 4}


def test_annotations_that_are_no_types_say_nothing():
    def energy(u: "B C H W"):  # noqa: F722
        return u.sum((1, 2, 3))

    assert data.compute_Q(energy)(u=np.ones((2, 1, 3, 3)))["energy"].shape == (2,)


def test_annotations_that_agree_however_they_are_spelt():
    def first(u: "float"):
        return u

    def second(u: float) -> int:
        return int(u)

    def third(u: "Unresolvable"):  # noqa: F821 - it is the point
        return u

    assert data.compute_Q(first, second, third)(u=1.5) == {"first": 1.5, "second": 1, "third": 1.5}


def test_under_jit_and_grad():
    call = data.compute_Q(energy)
    np.testing.assert_array_equal(jax.jit(call)(u=U)["energy"], call(u=U)["energy"])
    gradient = jax.grad(lambda u: call(u=u)["energy"].sum())(U)
    np.testing.assert_array_equal(gradient, U)


def test_pipeline_pools_every_quantity():
    call = data.input_to_quantity(2, "max", energy, sequence=lambda u: u[:, 0, 0])
    out = call(u=U)
    assert {q: y.shape for q, y in out.items()} == {"energy": (2, 1, 2, 2), "sequence": (2, 2)}
    np.testing.assert_array_equal(out["energy"], data.pool(energy(U), 2, "max"))
    np.testing.assert_array_equal(jax.jit(call)(u=U)["energy"], out["energy"])


def test_an_input_may_have_any_name():
    assert data.compute_Q(a=lambda self: self + 1)(self=1) == {"a": 2}


def double(u):
    return 2 * u


def mean_square(u):
    return jax.numpy.mean(u**2)


@pytest.mark.parametrize(
    "make", [data.compute_Q, functools.partial(data.input_to_quantity, 2, "avg")]
)
def test_what_is_made_of_named_functions_can_be_sent_to_workers(make):
    u = np.arange(32, dtype=np.float32).reshape(2, 1, 4, 4)
    whole = make(double)
    again = pickle.loads(pickle.dumps(whole))
    np.testing.assert_array_equal(again(u=u)["double"], whole(u=u)["double"])


def test_objectives_can_be_sent_to_workers():
    objective = combine({"size": mean_square}, weights={"size": 0.5})
    again = pickle.loads(pickle.dumps(objective))
    assert again(u=np.ones(3, np.float32))[0] == 0.5
    assert inspect.signature(again) == inspect.signature(objective)


@dataclasses.dataclass
class Scaled:
    scale: int

    def __call__(self, u: np.ndarray):
        return u * self.scale


@dataclasses.dataclass
class Divided:
    scale: float

    def __call__(self, u: np.ndarray):
        return u / self.scale


def test_fields_of_a_callable_are_no_parameters():
    call = data.compute_Q(a=Scaled(2), b=Divided(2.0))
    assert call(u=3.0) == {"a": 6.0, "b": 1.5}


def floats(u: float):
    return u


def scaled(u: np.ndarray, scale):
    return u * scale


@pytest.mark.parametrize(
    "other", [Scaled(2), functools.partial(scaled, scale=2), jax.jit(Scaled(2).__call__)]
)
def test_annotations_are_seen_through_what_wraps_them(other):
    with pytest.raises(TypeError, match="the parameter 'u' must be of one type, float as in 'a'"):
        data.compute_Q(a=floats, b=other)

"""Junk in any argument: nothing but the package's own errors comes out."""

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .calls import CALLS, A, W, Y, Z, energy, space
from .ingredients import KEYS, Tensor

JUNK = {
    "None": None,
    "three": 3,
    "minus one": -1,
    "a huge int": 10**30,
    "half": 0.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "a complex": 1j,
    "True": True,
    "x": "x",
    "an empty str": "",
    "bytes": b"x",
    "list": [],
    "nested list": [[]],
    "dict": {},
    "dict of None": {"pressure": None, "vorticity": None},
    "dict of int keys": {1: 2},
    "dict of mixed keys": {1: 2, "x": 3, None: 4},
    "dict of dicts": {"pressure": {}, "vorticity": []},
    "set": {1},
    "tuple": (),
    "object": object(),
    "type": int,
    "class with an array protocol": jnp.ndarray,
    "function": energy,
    "partial": functools.partial(energy),
    "empty array": np.zeros((0,)),
    "empty matrix": np.zeros((0, 5), np.float32),
    "scalar array": np.array(1.0),
    "bool array": np.array(True),
    "object array": np.array([None, "x"], object),
    "str array": np.array("x"),
    "record array": np.zeros(3, [("a", "f4")]),
    "masked array": np.ma.masked_array(Z, Z > 0),
    "long double": Z.astype(np.longdouble),
    "integers": np.arange(8),
    "nan array": np.full((8, 5), np.nan, np.float32),
    "latents": Z,
    "bases": W,
    "decoders": A,
    "targets": Y,
    "space": space(),
    "keys": KEYS,
    "jax array": jnp.ones(3),
    "shape": jax.ShapeDtypeStruct((8, 5), np.float32),
    "tensor": Tensor(),
    "ellipsis": ...,
}


def check(name: str, arguments: dict[str, Any]) -> None:
    message = f"{name}: no error must be raised, got none. Good."
    try:
        CALLS[name].function(**arguments)
    except (TypeError, ValueError) as error:
        message = str(error)
    assert re.fullmatch(re.escape(name) + r": .+ must be .+, got .+\. [A-Z].*[.?]", message), (
        message
    )


def ours(name: str, argument: str) -> bool:
    """Tells whether an argument is one of the function, and not of how the test calls it."""
    through = {"functions", "named", "unnamed", "inputs", "space"}
    # Its functions are the user's, who may have them raise what they like.
    if name == "fit_stream" and argument in ("encode", "quantities"):
        return False
    # Norms are not read where the balancer needs none, and k is the tracker's.
    others = (("balance", "norms"), ("SubspaceTracker.init", "k"))
    return argument not in through and (name, argument) not in others


PLACES = [(name, arg) for name, call in CALLS.items() for arg in call.good if ours(name, arg)]


@pytest.mark.parametrize(("name", "argument"), PLACES)
def test_junk_in_one_argument(name, argument):
    for junk in JUNK.values():
        check(name, {**CALLS[name].good, argument: junk})


NESTED = [(n, a) for n, a in PLACES if isinstance(CALLS[n].good[a], dict)]


@pytest.mark.parametrize(("name", "argument"), NESTED)
def test_junk_under_a_name(name, argument):
    """One value of a mapping is junk, the others are right."""
    good = CALLS[name].good[argument]
    for junk in JUNK.values():
        check(name, {**CALLS[name].good, argument: {**good, min(good): junk}})


@pytest.mark.parametrize("name", ["subspaces", "k_per_q", "optimal_bins", "minimal_latent_dim"])
def test_junk_under_a_name_of_an_option(name):
    argument = {"k_per_q": "threshold", "optimal_bins": "variance_threshold"}.get(name, "k")
    for junk in JUNK.values():
        check(name, {**CALLS[name].good, argument: {"pressure": junk, "vorticity": 1}})


@pytest.mark.parametrize("name", ["compute_Q", "input_to_quantity"])
def test_junk_for_functions(name):
    for junk in JUNK.values():
        if not callable(junk):
            check(name, {**CALLS[name].good, "functions": (junk,)})
            check(name, {**CALLS[name].good, "named": {"speed": junk}})


DTYPES = [np.float16, np.float32, np.int32, np.bool_, np.complex64, "U2", object]


@st.composite
def values(draw):
    """Draws junk by its name, or an array of any shape and kind."""
    if draw(st.booleans()):
        return JUNK[draw(st.sampled_from(sorted(JUNK)))]
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    return np.zeros(shape, draw(st.sampled_from(DTYPES)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(sorted({name for name, _ in PLACES})))
def test_junk_in_several_arguments(data, name):
    arguments = [argument for function, argument in PLACES if function == name]
    chosen = data.draw(st.lists(st.sampled_from(arguments), min_size=1, max_size=3, unique=True))
    check(name, {**CALLS[name].good, **{argument: data.draw(values()) for argument in chosen}})


NAMED = sorted({name for name, _ in NESTED})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(NAMED))
def test_junk_under_several_names(data, name):
    changes = {
        argument: {**CALLS[name].good[argument], "pressure": data.draw(values())}
        for function, argument in NESTED
        if function == name and data.draw(st.booleans())
    }
    check(name, {**CALLS[name].good, **changes})

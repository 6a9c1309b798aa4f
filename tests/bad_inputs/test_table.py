"""The table of bad inputs: what each is answered with, eagerly and under jit."""

import inspect
import re
from typing import Any

import jax
import numpy as np
import pytest

import spacelearn_jax as sl
from spacelearn_jax import data, linalg, loss, optim, streams, training

from . import (
    rows_bases,
    rows_choices,
    rows_data,
    rows_decoders_masks,
    rows_latents,
    rows_linalg,
    rows_moments,
    rows_objectives,
    rows_sizes,
    rows_space,
    rows_targets,
    rows_training,
)
from .calls import CALLS
from .ingredients import Traced
from .row import Bad

TOPICS = (
    rows_latents,
    rows_bases,
    rows_targets,
    rows_decoders_masks,
    rows_sizes,
    rows_choices,
    rows_linalg,
    rows_data,
    rows_space,
    rows_objectives,
    rows_training,
    rows_moments,
)
TABLE = [row for topic in TOPICS for row in topic.ROWS]
FORM = re.compile(
    r"(?P<argument>[a-zA-Z].*?) must be (?P<expected>.+), got (?P<got>.+?)\. (?P<fix>[A-Z].+[.?])"
)
# Arguments that a jitted train step has as arrays.
ARRAYS = {"Z", "Y", "W", "A", "V", "W_prev", "W_old", "W_new", "W_a", "W_b"}
ARRAYS |= {"where", "weights", "sample_weight", "chunks", "z_mean", "y_mean", "space", "inputs"}


def arguments(row: Bad) -> dict[str, Any]:
    return {**CALLS[row.function].good, **row.changes}


def is_traceable(leaf: Any) -> bool:
    if isinstance(leaf, jax.Array):
        return True
    plain = isinstance(leaf, np.ndarray | np.generic) and not isinstance(leaf, np.ma.MaskedArray)
    return plain and leaf.dtype.kind in "biufc" and leaf.dtype.char not in "gG"


def call_jitted(row: Bad) -> None:
    """Calls with every array traced; what can't be traced is a constant."""
    given = arguments(row)
    leaves = {name: jax.tree.flatten(value) for name, value in given.items() if name in ARRAYS}
    traced = {
        (name, i): leaf
        for name, (flat, _) in leaves.items()
        for i, leaf in enumerate(flat)
        if is_traceable(leaf)
    }
    options = {name: x.value for name, x in given.items() if isinstance(x, Traced)}

    def run(arrays: list[Any], traced_options: dict[str, Any]) -> None:
        by_place = dict(zip(traced, arrays, strict=True))
        rebuilt = {
            name: jax.tree.unflatten(
                structure, [by_place.get((name, i), leaf) for i, leaf in enumerate(flat)]
            )
            for name, (flat, structure) in leaves.items()
        }
        CALLS[row.function].function(**{**given, **rebuilt, **traced_options})

    jax.jit(run)(list(traced.values()), options)


def answer(row: Bad, call: Any) -> str:
    with pytest.raises((TypeError, ValueError)) as caught:
        call(row)
    assert caught.type is row.kind
    return str(caught.value)


def name(row: Bad) -> str:
    return f"{row.function}-{row.id}"


def call_eagerly(row: Bad) -> None:
    CALLS[row.function].function(**arguments(row))


@pytest.mark.parametrize(
    "row",
    [row for row in TABLE if not any(isinstance(x, Traced) for x in row.changes.values())],
    ids=name,
)
def test_eager(row: Bad):
    assert answer(row, call_eagerly) == f"{row.function}: {row.text}"


@pytest.mark.parametrize("row", [row for row in TABLE if not row.eager_only], ids=name)
def test_jitted(row: Bad):
    assert answer(row, call_jitted) == f"{row.function}: {row.text}"


@pytest.mark.parametrize("row", TABLE, ids=name)
def test_form(row: Bad):
    """Each message names the argument, what was expected, what came, and the fix."""
    match = FORM.fullmatch(row.text)
    assert match, row.text
    known = set(CALLS[row.function].good)
    if row.function.startswith("Space"):
        known |= set(inspect.signature(sl.Space).parameters) | {"the space", "the name"}
    if row.function.startswith("Moments"):
        known |= {"the moments"}
    if row.function == "fit_stream":
        known |= {"Z", "Y"}  # of a batch
    if row.function in ("combine", "gradient_norms"):
        known |= {"the inputs", "the term"}
    if row.function in ("compute_Q", "input_to_quantity"):
        known |= {"the functions", "the inputs", "the parameter", "the name", "the result of"}
        known |= {"every positional", *row.changes.get("named", ())}
    assert match["argument"].startswith(tuple(known))


def test_right_arguments_are_right():
    """A row would show nothing if the call failed without its change as well."""
    for call in CALLS.values():
        call.function(**call.good)


def test_enough():
    assert len(TABLE) >= 500
    assert len({(row.function, row.id) for row in TABLE}) == len(TABLE)
    assert sum(bool(row.eager_only) for row in TABLE) <= 6


# What other functions return, and are checked by.
MADE = ("Balanced", "Moments", "Balancer", "Objective", "SubspaceTracker", "TrackerState")


def test_every_public_function_is_there():
    public = {
        name
        for module in (sl, data, linalg, loss, optim, streams, training)
        for name in module.__all__
        if callable(getattr(module, name)) and name not in ("Solver", *MADE)
    }
    assert public <= set(CALLS)


@pytest.mark.parametrize("function", CALLS)
def test_every_argument_is_there(function):
    """Each argument of each function has been wrong at least once."""
    rows = [row for row in TABLE if row.function == function]
    spoilt = {name for row in rows for name in row.changes}
    assert set(CALLS[function].good) - {"space"} <= spoilt

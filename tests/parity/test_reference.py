"""The port against numbers stored from spacelearn 0.1.0, wherever pytest runs.

The numbers are outputs alone, made by ``generate.py``; their inputs come from the seeds
in ``cases.py``.
"""

import contextlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from . import port
from .cases import CASES, checksum
from .compare import assert_close, tolerance

HERE = Path(__file__).parent

# The public functions of spacelearn 0.1.0, by the names that the cases use.
PUBLIC = {
    "alignment",
    "combined",
    "compute_Q",
    "disentanglement",
    "disentanglement_original",
    "ensure_dim",
    "fit_decoders",
    "full",
    "input_to_quantity",
    "isotropy",
    "k_per_q",
    "left",
    "minimal_latent_dim",
    "optimal_bins",
    "pool",
    "principal_directions",
    "right",
    "singular_values",
    "solve_dims",
    "solve_subspaces",
    "stability",
    "subspace_change",
    "subspaces",
    "to_device",
}

RUNS = [(name, dtype) for name, case in CASES.items() for dtype in case.dtypes]


@pytest.fixture(scope="module")
def stored():
    """The stored outputs by case and dtype."""
    by_case = {}
    with np.load(HERE / "reference.npz") as file:
        for key in file.files:
            name, dtype, output = key.split("|")
            by_case.setdefault((name, dtype), {})[output] = file[key]
    return by_case


@pytest.fixture(scope="module")
def record():
    return json.loads((HERE / "reference.json").read_text())


def agree(case, dtype, expected, outputs):
    """Compares all outputs of a case with the stored ones."""
    assert set(outputs) == set(expected)
    for output, reference in expected.items():
        assert_close(
            outputs[output],
            reference,
            tolerance(case.function, dtype),
            floor=case.floor(output, dtype),
            what=f"{case.name} {output} in {dtype}",
        )


# Jitted is how they are used. A plain call of each function is enough beside that, as
# jit against plain is the subject of the contract suite.
PLAIN = {case.function: name for name, case in reversed(CASES.items())}
HOW = [(name, dtype, True) for name, dtype in RUNS if CASES[name].function in port.TRACEABLE]
HOW += [(name, dtype, False) for name, dtype in RUNS if name in PLAIN.values()]
# Sizes are Python integers, and a device is chosen outside of a trace.
HOW += [
    (name, dtype, False)
    for name, dtype in RUNS
    if CASES[name].function in port.EAGER and name not in PLAIN.values()
]


@pytest.mark.parametrize(
    ("name", "dtype", "jit"), HOW, ids=[f"{n}-{d}-{'jit' if j else 'plain'}" for n, d, j in HOW]
)
def test_case(name, dtype, jit, stored):
    case = CASES[name]
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        outputs = port.run(case, dtype, jit=jit)
    agree(case, dtype, stored[name, dtype], outputs)


@pytest.mark.parametrize(
    "name", [f"{function}/odd" for function in ("alignment", "combined", "solve_subspaces")]
)
def test_float32_under_x64(name, stored):
    with jax.enable_x64(True):
        outputs = port.run(CASES[name], "float32")
    agree(CASES[name], "float32", stored[name, "float32"], outputs)


def test_every_public_function_has_cases_in_both_dtypes():
    for dtype in ("float64", "float32"):
        assert {case.function for case in CASES.values() if dtype in case.dtypes} == PUBLIC
    assert set(port.RUNS) == PUBLIC


def test_stored_cases_are_these_cases(stored, record):
    assert set(stored) == set(RUNS)
    assert set(record["cases"]) == set(CASES)


def test_inputs_are_those_the_numbers_were_made_from(record):
    for name, case in CASES.items():
        was = record["cases"][name]
        assert was["seed"] == case.seed
        now, (total, scale) = checksum(case), was["inputs"]
        assert now == pytest.approx([total, scale], rel=0, abs=1e-11 * max(scale, 1)), name


def test_reference_is_small_finite_and_says_what_made_it(stored, record):
    assert sum((HERE / f"reference.{kind}").stat().st_size for kind in ("npz", "json")) < 1e6
    assert all(np.isfinite(x).all() for outputs in stored.values() for x in outputs.values())
    assert record["versions"]["spacelearn"] == "0.1.0"
    assert {"torch", "numpy", "python"} <= set(record["versions"])

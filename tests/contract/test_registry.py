"""A function added without a case makes a test fail."""

import inspect

import pytest

from .registry import CASES, COUNT, HOST_ONLY, ROUTES, ids
from .surface import APPLICATIONS, public, public_modules

COVERED = {case.covers for case in CASES}


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_function_has_a_case_or_a_reason(name):
    assert (name in COVERED) != (name in HOST_ONLY)


def test_no_case_and_no_reason_outlives_its_function():
    assert set(public()) >= COVERED | set(HOST_ONLY)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_case_calls_what_it_covers(case):
    function = public()[case.covers]
    # What builds functions is called through what it builds.
    assert case.run is function or case.run.__name__.startswith("_")


def test_ids_are_unique():
    names = [str(case) for case in ROUTES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_what_reads_a_batch_takes_a_mask_and_an_axis(case):
    reduces = bool(case.batch) and not case.by_row
    for keyword in ("where", "axis_name"):
        assert (keyword in case.keywords) == reduces


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_added_keywords_default_to_the_plain_call(case):
    expected = {"where": None, "axis_name": None, "solver": "auto"}
    for name, parameter in inspect.signature(case.run).parameters.items():
        if name in expected:
            assert parameter.kind is parameter.KEYWORD_ONLY
            assert parameter.default == expected[name]


def test_public_modules_are_found_by_themselves():
    names = {module.__name__.rpartition(".")[2] for module in public_modules()}
    assert names >= {"spacelearn_jax", "data", "linalg", "loss", "optim", "space"}
    assert not names & set(APPLICATIONS)


def test_every_kind_of_case_is_there():
    assert {case.kind for case in CASES} >= {COUNT}

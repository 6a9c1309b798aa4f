"""The comparison has teeth: what is slightly wrong fails."""

import numpy as np
import pytest

from .closeness import assert_close, assert_finite, tolerance

DTYPES = [np.float32, np.float64]


@pytest.fixture(params=DTYPES, ids=lambda t: t.__name__)
def reference(request):
    rng = np.random.default_rng(0)
    return {"a": rng.standard_normal((3, 4)).astype(request.param), "n": np.arange(3)}


def perturbed(tree, relative):
    a = tree["a"].astype(np.float64)
    a[1, 2] += relative * np.abs(a).max()
    return {**tree, "a": a.astype(tree["a"].dtype)}


def test_tolerances_are_those_stated():
    for dtype in DTYPES:
        eps = np.finfo(dtype).eps
        assert tolerance(dtype) == pytest.approx(float(eps) ** 0.5)
        assert tolerance(dtype, 32) == pytest.approx(32 * float(eps))


def test_equal_trees_pass_at_zero_tolerance(reference):
    assert_close(reference, {k: v.copy() for k, v in reference.items()}, multiple=0)


@pytest.mark.parametrize("multiple", [None, 64])
def test_boundary_is_the_stated_tolerance(reference, multiple):
    rtol = tolerance(reference["a"].dtype, multiple)
    assert_close(perturbed(reference, 0.8 * rtol), reference, multiple=multiple)
    with pytest.raises(AssertionError, match="relative error"):
        assert_close(perturbed(reference, 1.2 * rtol), reference, multiple=multiple)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: {"a": t["a"]}, "structure"),
        (lambda t: {**t, "b": t["a"]}, "structure"),
        (lambda t: {**t, "a": t["a"][None]}, "shape"),
        (lambda t: {**t, "a": t["a"].astype(np.float16)}, "dtype"),
        (lambda t: {**t, "n": t["n"] + 1}, "relative error"),
        (lambda t: {**t, "n": t["n"].astype(float)}, "dtype"),
        (lambda t: {**t, "a": t["a"] * np.nan}, "inf"),
        (lambda t: {**t, "a": t["a"] / 0.0}, "inf"),
        (lambda t: {**t, "a": -t["a"]}, "relative error"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_other_kinds_of_wrong_fail(reference, change, text):
    with pytest.raises(AssertionError, match=text):
        assert_close(change(reference), reference)


def test_nan_in_the_reference_fails_too():
    x = np.array([1.0, np.nan])
    with pytest.raises(AssertionError):
        assert_close(x, x)


def test_a_zero_reference_demands_zero_unless_a_floor_is_given():
    zero, tiny = np.zeros(3), np.full(3, 1e-12)
    with pytest.raises(AssertionError):
        assert_close(tiny, zero)
    assert_close(tiny, zero, floor=1.0)
    with pytest.raises(AssertionError):
        assert_close(tiny, zero, floor=1e-5)


def test_a_floor_loosens_no_integer():
    with pytest.raises(AssertionError):
        assert_close(np.arange(3), np.arange(3) + 1, floor=1e20)


def test_python_ints_equal_int32_arrays():
    assert_close(3, np.int32(3))
    with pytest.raises(AssertionError):
        assert_close(3, np.int64(3))
    with pytest.raises(AssertionError):
        assert_close(3, np.int32(4))


def test_finite_is_checked_in_every_leaf():
    assert_finite({"a": np.ones(2), "b": 3})
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(AssertionError, match="'b'"):
            assert_finite({"a": np.ones(2), "b": np.array([0.0, bad])})

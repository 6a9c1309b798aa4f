"""The comparison has teeth: what is slightly wrong fails."""

import numpy as np
import pytest

from .compare import PROMISED, assert_close, promised, relative_error, tolerance

CASES = [(dtype, shape) for dtype in PROMISED for shape in ((), (3,), (4, 5))]


@pytest.fixture(params=CASES, ids=str)
def reference(request):
    dtype, shape = request.param
    rng = np.random.default_rng(0)
    return np.asarray(100 * rng.standard_normal(shape), dtype)


def test_equal_arrays_pass_at_zero_tolerance(reference):
    assert_close(reference, reference.copy(), 0.0)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_boundary_is_the_stated_tolerance(reference, factor):
    rtol = tolerance("alignment", str(reference.dtype))
    wide = np.asarray(reference, np.float64)
    perturbed = wide.copy()
    perturbed[(0,) * wide.ndim] += factor * rtol * np.abs(wide).max()
    if factor < 1:
        assert_close(perturbed, wide, rtol)
    else:
        with pytest.raises(AssertionError, match="relative error"):
            assert_close(perturbed, wide, rtol)


def test_one_wrong_entry_among_many_fails():
    x = np.ones(10_000)
    y = x.copy()
    y[17] += 1e-6
    with pytest.raises(AssertionError):
        assert_close(y, x, 1e-9)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (np.ones((3, 1)), "shape"),
        (np.array([1.0, np.nan, 1.0]), "relative error inf"),
        (np.array([1.0, np.inf, 1.0]), "relative error inf"),
        (-np.ones(3), "relative error"),
        (np.ones(3, int), "int64 instead of float64"),
    ],
)
def test_other_kinds_of_wrong_fail(wrong, text):
    with pytest.raises(AssertionError, match=text):
        assert_close(wrong, np.ones(3), 1e-9)


def test_nan_in_the_reference_fails_too():
    x = np.array([1.0, np.nan])
    with pytest.raises(AssertionError):
        assert_close(x, x, 1e-9)


def test_a_zero_reference_demands_zero_unless_a_floor_is_given():
    zero, tiny = np.zeros(3), np.full(3, 1e-12)
    with pytest.raises(AssertionError):
        assert_close(tiny, zero, 1e-9)
    assert_close(tiny, zero, 1e-9, floor=1.0)
    with pytest.raises(AssertionError):
        assert_close(tiny, zero, 1e-9, floor=1e-6)


def test_integers_have_to_be_equal_at_any_tolerance():
    with pytest.raises(AssertionError):
        assert_close(np.array([100_001]), np.array([100_000]), 1.0)


def test_a_large_floor_cannot_loosen_a_large_reference():
    assert relative_error(np.array([11.0]), np.array([10.0]), floor=1.0) == pytest.approx(0.1)


def test_tolerances_are_those_promised_or_tighter():
    assert promised("isotropy", "float64") == 1e-9
    assert promised("disentanglement", "float64") == promised("combined", "float64") == 2e-7
    assert promised("combined", "float32") == 2e-4
    for dtype in PROMISED:
        for function in ("alignment", "disentanglement", "fit_decoders", "subspaces"):
            assert 0 < tolerance(function, dtype) <= promised(function, dtype)

"""What counts as equal, in one place."""

import numpy as np

# Largest difference over the largest magnitude of the reference: what is promised of any
# input, and what the stored cases reach.
PROMISED = {"float64": 1e-9, "float32": 2e-4}
REACHED = {"float64": 1e-11, "float32": 2e-5}

# The original adds the pairs of disentanglement up in float32, and the gradient of every
# pair passes through that sum: float64 agrees to float32 rounding only.
ACCUMULATED_IN_FLOAT32 = ("disentanglement", "combined")
ACCUMULATION = 2e-7

# A least-squares solution has the rounding of its inputs times the condition of the
# coordinates, and times the residual where a target hardly depends on them.
SOLVED = ("fit_decoders", "solve_subspaces")


def promised(function: str, dtype: str) -> float:
    """Relative tolerance for the outputs of a function on any input."""
    if dtype == "float64" and function in ACCUMULATED_IN_FLOAT32:
        return ACCUMULATION
    return PROMISED[dtype]


def tolerance(function: str, dtype: str) -> float:
    """Relative tolerance for the outputs of a function in the stored cases."""
    if dtype == "float32" and function in SOLVED:
        return PROMISED[dtype]
    if dtype == "float64" and function in ACCUMULATED_IN_FLOAT32:
        return ACCUMULATION
    return REACHED[dtype]


def relative_error(actual: np.ndarray, expected: np.ndarray, floor: float = 0.0) -> float:
    """Largest difference, relative to the largest magnitude of the reference.

    Relative to the array and not entry by entry: a small entry of a gradient is a
    difference of large ones and has their rounding.

    Args:
        actual: What was computed.
        expected: The reference.
        floor: Least scale, where the reference vanishes but for rounding.

    Returns:
        The error; 0 for two empty or two zero arrays, inf where one is not finite.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        message = f"shape {actual.shape} instead of {expected.shape}"
        raise AssertionError(message)
    if expected.size == 0:
        return 0.0
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    difference = float(np.max(np.abs(actual - expected)))
    if not np.isfinite(difference):
        return np.inf
    scale = max(float(np.max(np.abs(expected))), floor)
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else np.inf


def assert_close(
    actual: np.ndarray, expected: np.ndarray, rtol: float, *, floor: float = 0.0, what: str = ""
) -> None:
    """Requires equal shapes, the same kind of number, and agreement to ``rtol``.

    Integers have to be equal.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if (actual.dtype.kind == "f") != (expected.dtype.kind == "f"):
        message = f"{what}: {actual.dtype} instead of {expected.dtype}"
        raise AssertionError(message)
    if expected.dtype.kind != "f":
        rtol, floor = 0.0, 0.0
    error = relative_error(actual, expected, floor)
    if not error <= rtol:
        message = f"{what}: relative error {error:.2e} is more than {rtol:.0e}"
        raise AssertionError(message)

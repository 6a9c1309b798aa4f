"""What counts as equal, in one place."""

from typing import Any

import jax
import numpy as np


def tolerance(dtype: Any, multiple: float | None = None) -> float:
    """Relative tolerance: ``multiple`` of the dtype's eps, or its square root.

    A reordered sum or a factorization of well separated values keeps a multiple of eps;
    the square root is for what passes through a derivative of them.
    """
    eps = float(np.finfo(dtype).eps)
    return eps**0.5 if multiple is None else multiple * eps


def relative_error(actual: np.ndarray, expected: np.ndarray, floor: float = 0.0) -> float:
    """Largest difference over the largest magnitude expected (at least ``floor``).

    It is inf where either holds something that is not finite.
    """
    if expected.size == 0:
        return 0.0
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return np.inf
    difference = float(np.max(np.abs(actual - expected)))
    if difference == 0:
        return 0.0
    scale = max(float(np.max(np.abs(expected))), floor)
    return difference / scale if scale > 0 else np.inf


def assert_close(
    actual: Any, expected: Any, *, multiple: float | None = None, floor: float = 0.0
) -> None:
    """Requires two trees of equal structure, shapes and dtypes to agree.

    Integers and bools have to be equal, and Python ints equal int32 arrays, since sizes
    are ints unless traced. ``floor`` is the least scale of a leaf, for those that vanish
    but for rounding.
    """
    treedef, wanted = jax.tree.structure(actual), jax.tree.structure(expected)
    if treedef != wanted:
        message = f"structure {treedef} instead of {wanted}"
        raise AssertionError(message)
    pairs = zip(jax.tree.leaves_with_path(actual), jax.tree.leaves(expected), strict=True)
    for (path, got), want in pairs:
        where = jax.tree_util.keystr(path) or "value"
        got, want = (np.asarray(x, np.int32) if isinstance(x, int) else x for x in (got, want))
        got, want = np.asarray(got), np.asarray(want)
        for what in ("shape", "dtype"):
            if getattr(got, what) != getattr(want, what):
                message = f"{where}: {what} {getattr(got, what)}, not {getattr(want, what)}"
                raise AssertionError(message)
        exact = want.dtype.kind in "biu"
        error = relative_error(got, want, 0.0 if exact else floor)
        allowed = 0.0 if exact else tolerance(want.dtype, multiple)
        if not error <= allowed:
            message = f"{where}: relative error {error:.2e}, more than {allowed:.1e}"
            raise AssertionError(message)


def assert_finite(tree: Any) -> None:
    """Requires every number of a tree to be finite."""
    for path, leaf in jax.tree.leaves_with_path(tree):
        if not np.isfinite(np.asarray(leaf, np.float64)).all():
            message = f"{jax.tree_util.keystr(path) or 'value'} is not finite: {leaf}"
            raise AssertionError(message)

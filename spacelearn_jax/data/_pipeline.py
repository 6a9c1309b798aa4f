"""From raw inputs to pooled quantities in one call."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from spacelearn_jax import _checks
from spacelearn_jax.data._compute_q import joined
from spacelearn_jax.data._pool import MODES, check_field, pool


def input_to_quantity(
    n_bins: int,
    mode: str,
    *arg_functions: Callable[..., Any],
    **kwarg_functions: Callable[..., Any],
) -> Callable[..., dict[str, jax.Array]]:
    """Joins functions into one that computes quantities and pools each of them.

    Args:
        n_bins: Bins along every spatial axis; see ``pool``.
        mode: ``"avg"``, ``"mean"`` or ``"max"``.
        *arg_functions: Functions, named by their ``__name__``.
        **kwarg_functions: Functions, named by keyword.

    Returns:
        ``call(**inputs) -> {name: pooled}``, which calls each function with the inputs
        it names and pools what it returns: (B, S), (B, C, H, W) or (B, C, D, H, W).

    Raises:
        TypeError: If ``n_bins`` is not an int, and as ``compute_Q`` does.
        ValueError: If ``n_bins < 1`` or the mode doesn't exist, and as ``compute_Q``
            does.

    Example:
        >>> import jax.numpy as jnp
        >>> quantities = input_to_quantity(4, "avg", energy=lambda u: 0.5 * u**2)
        >>> quantities(u=jnp.ones((2, 1, 32, 32)))["energy"].shape
        (2, 1, 4, 4)
    """
    caller = "input_to_quantity"
    n = _checks.integer(caller, "n_bins", n_bins)
    _checks.choice(caller, "mode", mode, MODES)
    pooled = functools.partial(_pooled, n_bins=n, mode=mode)
    return joined(caller, arg_functions, kwarg_functions, finish=pooled)


def _pooled(caller: str, name: str, field: Any, *, n_bins: int, mode: str) -> jax.Array:
    check_field(caller, f"the result of {name!r}", field)
    return pool(field, n_bins, mode)

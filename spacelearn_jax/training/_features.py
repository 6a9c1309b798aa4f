"""Latents out of feature maps."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks


def as_latents(features: ArrayLike, batch_axes: int | Sequence[int] = 0) -> jax.Array:
    """Turns activations of any rank into latents (B, D).

    Args:
        features: Activations, for example feature maps (B, H, W, C).
        batch_axes: The axes that count samples: 0 makes a sample of every image,
            (B, H*W*C); (0, 1, 2) one of every pixel, (B*H*W, C).

    Returns:
        (B, D), batch axes and features in their given order.

    Raises:
        TypeError: If ``features`` is not a floating array or an axis not an int.
        ValueError: If an axis is out of range or given twice, or no axis is left for D.

    Example:
        >>> import jax.numpy as jnp
        >>> features = jnp.ones((8, 4, 4, 16))
        >>> as_latents(features).shape, as_latents(features, (0, 1, 2)).shape
        ((8, 256), (128, 16))
    """
    function = "as_latents"
    x = _checks.floating(function, "features", features)
    given: Any = batch_axes
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        given = (given,)
    axes = []
    for axis in given:
        number = _checks.integer(function, "batch_axes", axis, minimum=-x.ndim)
        axes.append(number % x.ndim if x.ndim and number < x.ndim else number)
    if not axes or max(axes) >= x.ndim or len(set(axes)) != len(axes) or len(axes) == x.ndim:
        raise _checks.failure(
            ValueError,
            function,
            "batch_axes",
            f"distinct axes of features with shape {x.shape}, at least one and not all",
            repr(batch_axes),
            "Name the axes that count samples, for example 0."
            if x.ndim > 1
            else "Add an axis that holds the latents with features[:, None].",
        )
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    x = jnp.transpose(x, (*axes, *rest))
    return x.reshape(math.prod(x.shape[: len(axes)]), math.prod(x.shape[len(axes) :]))

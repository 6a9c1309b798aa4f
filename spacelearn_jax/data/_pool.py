"""Adaptive pooling of target fields."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled

MODES = ("avg", "mean", "max")
# Leading axes that are not pooled, by rank: (B, S), (B, C, H, W), (B, C, D, H, W).
_LEADING = {2: 1, 4: 2, 5: 2}


def _pool_axis(x: jax.Array, axis: int, n: int, mode: str) -> jax.Array:
    """Pools one axis into ``n`` bins; bin i covers floor(i S/n) .. ceil((i+1) S/n)."""
    size = x.shape[axis]
    i = np.arange(n)
    start, stop = i * size // n, -(-(i + 1) * size // n)
    # Bins may overlap and differ in width by one, so each is gathered with its
    # padding and reduced under a mask. A matrix product would be shorter, and would
    # spread one NaN over every bin.
    window = start[:, None] + np.arange(np.max(stop - start))
    inside = window < stop[:, None]
    bins = jnp.take(x, np.minimum(window, size - 1), axis=axis)
    shape = (1,) * axis + inside.shape + (1,) * (x.ndim - axis - 1)
    inside = inside.reshape(shape)
    if mode == "max":
        # argmax gives a tie's whole gradient to the first, as torch does.
        low = jnp.where(inside, bins, -jnp.inf)
        where = jnp.argmax(low, axis=axis + 1, keepdims=True)
        return jnp.take_along_axis(low, where, axis=axis + 1).squeeze(axis + 1)
    widths = jnp.asarray(stop - start, x.dtype).reshape(shape[: axis + 1] + shape[axis + 2 :])
    return jnp.sum(jnp.where(inside, bins, 0), axis=axis + 1) / widths


def pooled(x: jax.Array, n: int, mode: str) -> jax.Array:
    """Pools the trailing axes of a checked array, the last one first."""
    x = x.astype(_numerics.compute_dtype(x))
    for axis in reversed(range(_LEADING[x.ndim], x.ndim)):
        x = _pool_axis(x, axis, n, mode)
    return x


_pool_1d = compiled(static=("n", "mode"), keep_axes=1)(pooled)
_pool_nd = compiled(static=("n", "mode"), keep_axes=2)(pooled)


def check_field(function: str, argument: str, value: ArrayLike) -> jax.Array:
    """Requires an array whose rank says which axes are spatial."""
    x = _checks.real(function, argument, value)
    fixes = {
        1: "A scalar a sample needs no pooling: leave it as it is.",
        3: "For a field (B, H, W) add a channel axis with field[:, None].",
    }
    if x.ndim not in _LEADING or 0 in x.shape:
        raise _checks.failure(
            ValueError,
            function,
            argument,
            "of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without empty axes",
            f"shape {x.shape}",
            fixes.get(x.ndim, "Reshape it so that the first axis counts samples."),
        )
    return x


def pool(chunks: ArrayLike, n_bins: int, mode: str = "avg") -> jax.Array:
    """Pools the spatial axes of a field into ``n_bins`` bins each.

    Bin i of an axis of S points covers the points floor(i S / n) up to, but not
    including, ceil((i + 1) S / n): neighbours overlap where n doesn't divide S, and
    n > S repeats points. This is the rule of torch's adaptive pooling. A NaN stays in
    the bins that cover it. Where several points tie for a maximum, the first takes the
    gradient.

    Args:
        chunks: Sequences (B, S), fields (B, C, H, W) or volumes (B, C, D, H, W);
            integers and bools are converted.
        n_bins: Bins n along every spatial axis, at least 1.
        mode: ``"avg"`` (or ``"mean"``) or ``"max"``.

    Returns:
        (B, n), (B, C, n, n) or (B, C, n, n, n), float64 for float64 input and float32
        otherwise.

    Raises:
        TypeError: If ``chunks`` is not a numeric array or ``n_bins`` not an int.
        ValueError: If the rank is none of these, ``n_bins < 1`` or the mode doesn't
            exist.

    Example:
        >>> import jax.numpy as jnp
        >>> print(pool(jnp.arange(5.0)[None], 2))
        [[1. 3.]]
        >>> pool(jnp.ones((8, 1, 32, 32)), 4).shape
        (8, 1, 4, 4)
    """
    x = check_field("pool", "chunks", chunks)
    n = _checks.integer("pool", "n_bins", n_bins)
    run = _pool_1d if x.ndim == 2 else _pool_nd
    return run(x, n=n, mode=_checks.choice("pool", "mode", mode, MODES))

"""The exact symmetries of a flow in a periodic box, as data augmentation."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

PSEUDOSCALARS = frozenset({"vorticity"})
"""Quantities that change sign when the flow is mirrored."""


def transform(fields: Mapping[str, jax.Array], bits: jax.Array) -> dict[str, jax.Array]:
    """Shifts, mirrors and rotates every sample at random, all its fields alike.

    The Navier-Stokes equations in a periodic square box are invariant under all of it:
    shifts by any number of points, and the eight symmetries of the square. A mirrored
    vorticity also changes sign; energy, pressure and strain rate do not.

    Args:
        fields: ``{name: (B, n, n)}``, one array a quantity.
        bits: Random bits (B, 5) uint32 of ``jax.random.bits``: two shifts, and whether
            to mirror y, mirror x and swap the axes. Where they are 0 nothing changes.

    Returns:
        The transformed fields, same shapes.

    Raises:
        ValueError: If ``bits`` doesn't have five columns.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> w = jnp.arange(16.0).reshape(1, 4, 4)
        >>> bits = jax.random.bits(jax.random.key(0), (1, 5))
        >>> moved = transform({"energy": w}, bits)["energy"]
        >>> print(moved.shape, moved.sum() == w.sum())
        (1, 4, 4) True
    """
    if bits.ndim != 2 or bits.shape[1] != 5:
        message = f"transform: bits must be of shape (B, 5), got {bits.shape}. Draw five a sample."
        raise ValueError(message)
    n = next(iter(fields.values())).shape[-1]
    shift_y, shift_x, mirror_y, mirror_x, swap = (b[:, None, None] for b in bits.T)
    shift_y, shift_x = (s % jnp.uint32(n) for s in (shift_y, shift_x))
    mirror_y, mirror_x, swap = (b % jnp.uint32(2) == 1 for b in (mirror_y, mirror_x, swap))
    # Where each point of the result comes from, so that one gather does it all.
    row, column = jnp.meshgrid(*2 * [jnp.arange(n, dtype=jnp.uint32)], indexing="ij")
    row, column = row[None], column[None]
    y, x = jnp.where(swap, column, row), jnp.where(swap, row, column)
    y = (jnp.where(mirror_y, n - 1 - y, y) + shift_y) % jnp.uint32(n)
    x = (jnp.where(mirror_x, n - 1 - x, x) + shift_x) % jnp.uint32(n)
    sign = jnp.where(mirror_y ^ mirror_x ^ swap, -1, 1)
    place = (y * jnp.uint32(n) + x).reshape(len(bits), -1).astype(jnp.int32)
    moved = {}
    for q, field in fields.items():
        flat = jnp.take_along_axis(field.reshape(len(bits), -1), place, axis=1)
        back = flat.reshape(field.shape)
        moved[q] = sign.astype(field.dtype) * back if q in PSEUDOSCALARS else back
    return moved

"""How far a subspace has moved between two solves."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg._angles import angles

# Angles below this many degrees count as none, as in the original.
_LEAST_ANGLE = 1e-3
# Cosines from here on are too close to 1 for arccos.
_CLOSE = 0.999


def _row_angles(old: jax.Array, new: jax.Array, match: jax.Array, G: jax.Array) -> jax.Array:
    """Returns the angle in radians between every old direction and its match.

    arccos is blind near 1 and its derivative infinite there, so close pairs take the
    sine from what the matched direction leaves of the old one.
    """
    signed = jnp.take_along_axis(G, match[:, None], axis=1)
    cosine = jnp.abs(signed[:, 0])
    rest = old - signed * new[match]
    sine = _numerics.safe_sqrt(jnp.sum(jnp.square(rest), axis=1))
    far = cosine < _CLOSE
    # Rows longer than 1 are no directions; the original reads no angle between them.
    close = jnp.where(cosine > 2 - _CLOSE, 0, jnp.arctan2(sine, jnp.where(far, 1, cosine)))
    return jnp.where(far, jnp.arccos(jnp.where(far, cosine, 0)), close)


@compiled()
def _subspace_change(W_old: jax.Array, W_new: jax.Array) -> dict[str, jax.Array]:
    dtype = _numerics.compute_dtype(W_old, W_new)
    old, new = W_old.astype(dtype), W_new.astype(dtype)
    G = _numerics.matmul(old, new.T)
    similarity = jnp.minimum(jnp.abs(G), 1)
    # A tie's gradient goes to one entry; jnp.max would split it.
    match = jnp.argmax(similarity, axis=1)[:, None]
    cosine = jnp.take_along_axis(similarity, match, axis=1)[:, 0]
    angle = jnp.rad2deg(_row_angles(old, new, match[:, 0], G))
    return {
        "mean_cos_sim": jnp.mean(cosine),
        "mean_angle_deg": jnp.mean(jnp.where(angle < _LEAST_ANGLE, 0, angle)),
        "per_dir_cos": cosine,
        "similarity_matrix": similarity,
        "principal_angles_deg": jnp.rad2deg(angles(old, new)),
    }


def subspace_change(W_old: ArrayLike, W_new: ArrayLike) -> dict[str, jax.Array]:
    """Compares two bases direction by direction, and the subspaces that they span.

    The original's measures match each old direction to the nearest new one, so they also
    read a rotation inside the same subspace as a change. The principal angles don't.

    Args:
        W_old: Orthonormal rows (k_old, D).
        W_new: Orthonormal rows (k_new, D).

    Returns:
        ``similarity_matrix`` (k_old, k_new), |W_old W_new^T| capped at 1;
        ``per_dir_cos`` (k_old,), its row maxima; ``mean_cos_sim``, their mean;
        ``mean_angle_deg``, the mean of their angles in degrees, those below 0.001 taken
        as 0; and ``principal_angles_deg`` (min(k_old, k_new),), ascending, in degrees.

    Raises:
        TypeError: If an argument is not a floating array.
        ValueError: If shapes don't fit.

    Example:
        >>> import jax.numpy as jnp
        >>> change = subspace_change(jnp.eye(2, 3), jnp.array([[0.6, 0.8, 0.0]]))
        >>> print(change["per_dir_cos"], change["principal_angles_deg"])
        [0.6 0.8] [0.]
    """
    old = _checks.basis("subspace_change", "W_old", W_old)
    new = _checks.basis("subspace_change", "W_new", W_new)
    _checks.same_latents("subspace_change", "W_old", old, "W_new", new)
    return _subspace_change(old, new)

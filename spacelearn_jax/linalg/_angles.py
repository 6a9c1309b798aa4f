"""Principal angles between subspaces."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg import _lapack


def angles(W_a: jax.Array, W_b: jax.Array) -> jax.Array:
    """Returns the principal angles of two row bases, ascending, in radians.

    Cosines are blind near 0 and sines near a right angle, so both are computed and
    joined by arctan2, which is accurate and has a finite derivative everywhere.
    """
    if W_a.shape[0] < W_b.shape[0]:
        W_a, W_b = W_b, W_a
    W_a, W_b = _numerics.infinities_to_nan(W_a), _numerics.infinities_to_nan(W_b)
    overlap = _numerics.matmul(W_b, W_a.T)
    rest = W_b - _numerics.matmul(overlap, W_a)
    cosines = _lapack.svdvals(overlap)
    sines = _lapack.svdvals(rest)[::-1]
    return jnp.arctan2(sines, cosines)


@compiled()
def _principal_angles(W_a: jax.Array, W_b: jax.Array) -> jax.Array:
    dtype = _numerics.compute_dtype(W_a, W_b)
    return angles(W_a.astype(dtype), W_b.astype(dtype))


def principal_angles(W_a: ArrayLike, W_b: ArrayLike) -> jax.Array:
    """Principal angles between two subspaces, independent of the bases chosen.

    Args:
        W_a: Orthonormal rows (k_a, D) that span the first subspace.
        W_b: Orthonormal rows (k_b, D) that span the second.

    Returns:
        Angles (min(k_a, k_b),) in radians within [0, pi/2], ascending.

    Raises:
        TypeError: If an argument is not a floating array.
        ValueError: If shapes don't fit.

    Example:
        >>> import jax.numpy as jnp
        >>> e = jnp.eye(3)
        >>> print(jnp.rad2deg(principal_angles(e[:2], e[1:])))
        [ 0. 90.]

    Reference:
        Knyazev and Argentati, Principal angles between subspaces in an A-based scalar
        product, SIAM J. Sci. Comput. 23(6), 2002.
    """
    first = _checks.basis("principal_angles", "W_a", W_a)
    second = _checks.basis("principal_angles", "W_b", W_b)
    _checks.same_latents("principal_angles", "W_a", first, "W_b", second)
    return _principal_angles(first, second)

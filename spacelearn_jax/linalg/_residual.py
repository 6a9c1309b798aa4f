"""What a low-rank basis leaves of a matrix, bounded after the fact."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled

# A Gaussian vector shows less than a tenth of a norm with a probability below a tenth.
_FACTOR = 10 * math.sqrt(2 / math.pi)


@compiled(static=("probes",))
def _residual_bound(A: jax.Array, U: jax.Array, seed: jax.Array, *, probes: int) -> jax.Array:
    dtype = _numerics.compute_dtype(A, U)
    A, U = (lax.stop_gradient(x).astype(dtype) for x in (A, U))
    key = jax.random.key(seed[0])
    for word in seed[1:]:
        key = jax.random.fold_in(key, word)
    test = jax.random.normal(key, (A.shape[1], probes), dtype)
    seen = _numerics.matmul(A, test)
    inside = _numerics.matmul(U.T, seen)
    rest = seen - _numerics.matmul(U, inside)
    # Divided by the largest entry, so that no square underflows.
    largest = jnp.max(jnp.abs(rest))
    squares = jnp.square(_numerics.safe_divide(rest, largest))
    return _FACTOR * largest * _numerics.safe_sqrt(jnp.max(jnp.sum(squares, axis=0)))


def residual_bound(A: ArrayLike, U: ArrayLike, *, probes: int = 10, seed: int = 0) -> jax.Array:
    """Upper bound on ``||A - U U^T A||_2``, the error of a low-rank factorization.

    It holds with a probability of at least ``1 - 10^-probes`` over the probes, for
    whatever ``U``. No basis of rank r does better than the singular value s_{r+1}; a
    bound far above the last singular value kept asks for a higher ``rank``, or for more
    of ``oversample`` and ``n_iter``. It takes ``probes`` products with ``A``.

    Args:
        A: Matrix (m, n) of a floating dtype.
        U: Orthonormal columns (m, r), such as ``left`` returns. Rows of a basis ``W``
            (k, D) are the columns of ``W.T``.
        probes: Number of random vectors.
        seed: Seed of the random vectors.

    Returns:
        The bound, a scalar in the units of ``A``. It carries no gradient.

    Raises:
        TypeError: If ``A`` or ``U`` is not a floating array or an option not an integer.
        ValueError: If shapes don't fit, ``probes < 1`` or ``seed`` is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax import linalg
        >>> A = jnp.diag(jnp.array([3.0, 2.0, 0.01]))
        >>> U, s = linalg.left(A, solver=linalg.LowRank(rank=2))
        >>> bool(0.01 <= residual_bound(A, U) < 0.3)
        True

    Reference:
        Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review
        53(2), 2011, equation 4.3.
    """
    function = "residual_bound"
    matrix = _checks.matrix(function, "A", A)
    basis = _checks.matrix(function, "U", U)
    if basis.shape[0] != matrix.shape[0]:
        raise _checks.failure(
            ValueError,
            function,
            "U",
            f"of shape ({matrix.shape[0]}, r), with the rows of A",
            f"shape {basis.shape}",
            "Pass left singular vectors, one in each column.",
        )
    probes = _checks.integer(function, "probes", probes)
    seed = _checks.integer(function, "seed", seed, minimum=0, maximum=2**63 - 1)
    # An array, so that another seed compiles nothing, and a stream of its own by its end:
    # the test matrix of a LowRank may come from the same seed.
    words = jax.device_put(np.array([seed % 2**32, seed // 2**32, 1], np.uint32))
    return _residual_bound(matrix, basis, words, probes=probes)

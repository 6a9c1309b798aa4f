"""Public singular value decompositions."""

import jax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg import _factors
from spacelearn_jax.linalg._solvers import Solver, check_solver


@compiled(static=("solver",))
def _full(A: jax.Array, *, solver: Solver) -> tuple[jax.Array, jax.Array, jax.Array]:
    A = A.astype(_numerics.compute_dtype(A))
    U, s, Vt = _factors.factors(A, solver)
    s = _factors.attach_gradient(s, A, U, Vt)
    return (*_factors.fix_signs(U, Vt), s)


@compiled(static=("solver",))
def _singular_values(A: jax.Array, *, solver: Solver) -> jax.Array:
    A = A.astype(_numerics.compute_dtype(A))
    return _factors.singular_values(A, solver)


def full(A: ArrayLike, *, solver: Solver = "auto") -> tuple[jax.Array, jax.Array, jax.Array]:
    """Reduced singular value decomposition ``A = U diag(s) Vt``.

    Signs are fixed: the entry of largest magnitude in each column of U is positive.
    Singular vectors carry no gradient; singular values do, to first order.

    Args:
        A: Matrix (m, n) of a floating dtype.
        solver: ``"auto"`` or ``"svd"``, exact; ``"eigen"``, from the smaller Gram
            matrix, which squares the condition number; or a ``LowRank``.

    Returns:
        U (m, r), s (r,) in descending order and Vt (r, n), with r = min(m, n), or
        the rank of a ``LowRank`` where that is less.

    Raises:
        TypeError: If ``A`` is not a floating array.
        ValueError: If ``A`` is not a non-empty matrix or the solver doesn't exist.

    Example:
        >>> import jax.numpy as jnp
        >>> U, s, Vt = full(jnp.diag(jnp.array([3.0, 2.0])))
        >>> print(s)
        [3. 2.]
    """
    matrix = _checks.matrix("full", "A", A)
    U, Vt, s = _full(matrix, solver=check_solver("full", solver))
    return U, s, Vt


def left(A: ArrayLike, *, solver: Solver = "auto") -> tuple[jax.Array, jax.Array]:
    """Left singular vectors and singular values.

    Signs are fixed: the entry of largest magnitude in each column of U is positive.
    Singular vectors carry no gradient; singular values do, to first order.

    Args:
        A: Matrix (m, n) of a floating dtype.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``LowRank``; see ``full``.

    Returns:
        U (m, r) and s (r,) in descending order.

    Raises:
        TypeError: If ``A`` is not a floating array.
        ValueError: If ``A`` is not a non-empty matrix or the solver doesn't exist.

    Example:
        >>> import jax.numpy as jnp
        >>> U, s = left(jnp.array([[0.0, 2.0], [1.0, 0.0]]))
        >>> print(s)
        [2. 1.]
    """
    matrix = _checks.matrix("left", "A", A)
    U, _, s = _full(matrix, solver=check_solver("left", solver))
    return U, s


def right(A: ArrayLike, *, solver: Solver = "auto") -> tuple[jax.Array, jax.Array]:
    """Right singular vectors, as rows, and singular values.

    Signs are those of ``full``. Singular vectors carry no gradient; singular values
    do, to first order.

    Args:
        A: Matrix (m, n) of a floating dtype.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``LowRank``; see ``full``.

    Returns:
        Vt (r, n) with orthonormal rows, and s (r,) in descending order.

    Raises:
        TypeError: If ``A`` is not a floating array.
        ValueError: If ``A`` is not a non-empty matrix or the solver doesn't exist.

    Example:
        >>> import jax.numpy as jnp
        >>> Vt, s = right(jnp.array([[0.0, 2.0], [1.0, 0.0]]))
        >>> print(Vt)
        [[0. 1.]
         [1. 0.]]
    """
    matrix = _checks.matrix("right", "A", A)
    _, Vt, s = _full(matrix, solver=check_solver("right", solver))
    return Vt, s


def singular_values(A: ArrayLike, *, solver: Solver = "auto") -> jax.Array:
    """Singular values in descending order.

    Differentiable with finite gradients, repeated and vanishing values included. The
    exact SVD gives derivatives of any order where values are distinct and not 0, the other
    solvers the first.

    Args:
        A: Matrix (m, n) of a floating dtype.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``LowRank``; see ``full``.

    Returns:
        s (min(m, n),), or (rank,) for a ``LowRank`` of a smaller rank.

    Raises:
        TypeError: If ``A`` is not a floating array.
        ValueError: If ``A`` is not a non-empty matrix or the solver doesn't exist.

    Example:
        >>> import jax.numpy as jnp
        >>> print(singular_values(2.0 * jnp.eye(2, 3)))
        [2. 2.]
    """
    matrix = _checks.matrix("singular_values", "A", A)
    return _singular_values(matrix, solver=check_solver("singular_values", solver))

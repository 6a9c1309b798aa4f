"""Isotropy: is what the subspaces leave of the latent space evenly used?"""

from collections.abc import Hashable, Mapping

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import checked_once, compiled
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.loss import _batch
from spacelearn_jax.loss._residual_spectrum import leading_values

_EPS = 1e-8


def isotropy(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: _numerics.Where,
    *,
    n_dir: int,
    solver: Solver,
    axis_name: Hashable | None,
) -> tuple[jax.Array, jax.Array]:
    """Computes the loss from checked arguments, and a token; see ``leading_values``."""
    where = _numerics.any_rows(where)
    dtype = _numerics.compute_dtype(Z, *W.values())
    W_all = _batch.stack(W, dtype)
    Zc = _numerics.center(Z.astype(dtype), where, axis_name)
    B = Z.shape[0] * _numerics.axis_size(axis_name)
    if where is not None or Z.shape[1] >= B:  # a mask may leave as few rows
        # What rounding took from the mean all rows lack: a singular value where there is none.
        Zc = _numerics.center(Zc, where, axis_name)
    s, token = leading_values(Zc, W_all, min(n_dir, B, Z.shape[1]), solver, axis_name)
    # A masked row adds a zero to the spectrum that the kept rows alone don't have.
    counted = jnp.arange(s.shape[0], dtype=dtype) < _numerics.count(Z, where, axis_name, dtype)
    m = jnp.sum(counted, dtype=dtype)
    mean = jnp.sum(jnp.where(counted, s, 0)) / m
    deviation = jnp.where(counted, s / (mean + _EPS) - 1, 0)
    return _numerics.replicated(jnp.sum(jnp.square(deviation)) / m, axis_name), token


_isotropy = compiled(static=("n_dir", "solver", "axis_name"))(isotropy)


@checked_once(static=("n_dir", "axis_name", "solver"))
def isotropy_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    n_dir: int = 32,
    *,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
) -> jax.Array:
    """Relative variance of the leading singular values of the free rest.

    With ``R = Zc - Zc W^T W`` (all bases stacked) and s its ``n_dir`` largest singular
    values, ``mean((s / (mean(s) + 1e-8) - 1)^2)``: 0 where they are all equal, 1 where they
    are all 0. As in the original, m = min(n_dir, B, D) values count whatever the rank r of
    the rest: one that is perfectly even, but of a rank r below m, has a loss of m / r - 1.
    Directions that two subspaces share are subtracted twice. Values not much larger than 1e-8
    look more uneven than they are: by 4% at 1e-7. Second derivatives leave out what values that
    are equal up to rounding have to do with one another.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
        n_dir: Number of leading singular values, 32 by default; at most D less the sum of
            all k looks at the free rest alone.
        where: Valid rows (B,) bool; the others are left out. With ``{q: (B,)}`` the rows
            that have any quantity count: their latents are all there.
        axis_name: Mesh axis that ``shard_map`` splits the batch over; derivatives of
            second order are refused then.
        solver: ``"auto"``, from the smaller Gram matrix where that gives the value to 1e-5 in
            float32, for latents whose mean is within 10^4 deviations of 0 (5e-5 where one
            direction is 50 times as strong as many that are alike), and by ``"svd"``
            elsewhere; ``"svd"``; ``"eigen"``; or a ``linalg.LowRank`` of rank at least
            min(n_dir, B, D).

    Returns:
        The loss, a dimensionless scalar >= 0.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2``, ``W`` is empty, ``n_dir < 1`` or the
            solver doesn't exist. Differentiated twice under ``axis_name``.

    Example:
        >>> import jax.numpy as jnp
        >>> Z = jnp.array([[1.0, 2.0, 0.0], [-1.0, 2.0, 0.0], [0.0, -4.0, 0.0]])
        >>> print(isotropy_loss(Z, {"x": jnp.array([[0.0, 1.0, 0.0]])}, n_dir=1))
        0.0
    """
    function = "isotropy_loss"
    z, w, mask = _batch.check_latents_and_bases(
        function, Z, W, where, axis_name, min_rows=2, may_be_empty=False
    )
    n_dir = _checks.integer(function, "n_dir", n_dir)
    rows = z.shape[0] * _numerics.axis_size(axis_name)
    solver = check_solver(function, solver, needs=min(n_dir, rows, z.shape[1]))
    return _isotropy(z, w, mask, n_dir=n_dir, solver=solver, axis_name=axis_name)[0]

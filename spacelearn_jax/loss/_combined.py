"""The whole SPACE objective."""

from collections.abc import Hashable, Mapping
from typing import Literal, overload

import jax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.loss import _batch
from spacelearn_jax.loss._alignment import alignment_by_quantity
from spacelearn_jax.loss._disentanglement import PAIR_NORMS, disentanglement
from spacelearn_jax.loss._isotropy import isotropy
from spacelearn_jax.loss._reduce import check_weights, mean, weighted_sum
from spacelearn_jax.loss._stability import check_previous, stability_by_quantity

TERMS = ("alignment", "disentanglement", "isotropy", "stability")


@compiled(static=("n_dir", "solver", "pair_norm", "metric", "axis_name"))
def _combined(
    Z: jax.Array,
    W: dict[str, jax.Array],
    A: dict[str, jax.Array],
    Y: dict[str, jax.Array],
    W_prev: dict[str, jax.Array],
    weights: dict[str, jax.Array],
    where: _numerics.Where,
    *,
    n_dir: int,
    solver: Solver,
    pair_norm: str,
    metric: str,
    axis_name: Hashable | None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    rows = _numerics.any_rows(where)
    even, token = isotropy(Z, W, where, n_dir=n_dir, solver=solver, axis_name=axis_name)
    # Exact, because isotropy needs it so and one product serves all. What else is made of it
    # runs beside isotropy's eigenproblem.
    S = _batch.coordinates(Z, W, rows, axis_name, precision=_numerics.HIGHEST, token=token)
    aligned = alignment_by_quantity(Z, W, A, Y, where, S, axis_name=axis_name)
    correlated = disentanglement(Z, W, rows, {}, S, pair_norm=pair_norm, axis_name=axis_name)
    terms = {
        "alignment": _numerics.replicated(mean(aligned), axis_name),
        "disentanglement": _numerics.replicated(correlated, axis_name),
        "isotropy": even,
        # Every device has all of it, not a part of the rows: its gradient is divided so that
        # the sum over devices is that of one.
        "stability": _numerics.replicated(
            mean(stability_by_quantity(W, W_prev, metric=metric)), axis_name
        ),
    }
    dtype = _numerics.compute_dtype(*terms.values())
    floating = {name: weight.astype(dtype) for name, weight in weights.items()}
    total = weighted_sum(terms, _numerics.replicated(floating, axis_name))
    return total, terms


@overload
def combined_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    W_prev: Mapping[str, ArrayLike] | None,
    *,
    n_dir: int = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    return_terms: Literal[False] = ...,
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    solver: Solver = ...,
    pair_norm: str = ...,
    metric: str = ...,
) -> jax.Array: ...


@overload
def combined_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    W_prev: Mapping[str, ArrayLike] | None,
    *,
    n_dir: int = ...,
    weights: Mapping[str, ArrayLike] | None = ...,
    return_terms: Literal[True],
    where: ArrayLike | Mapping[str, ArrayLike] | None = ...,
    axis_name: Hashable | None = ...,
    solver: Solver = ...,
    pair_norm: str = ...,
    metric: str = ...,
) -> tuple[jax.Array, dict[str, jax.Array]]: ...


def combined_loss(
    Z: ArrayLike,
    W: Mapping[str, ArrayLike],
    A: Mapping[str, ArrayLike],
    Y: Mapping[str, ArrayLike],
    W_prev: Mapping[str, ArrayLike] | None,
    *,
    n_dir: int = 32,
    weights: Mapping[str, ArrayLike] | None = None,
    return_terms: bool = False,
    where: ArrayLike | Mapping[str, ArrayLike] | None = None,
    axis_name: Hashable | None = None,
    solver: Solver = "auto",
    pair_norm: str = "first",
    metric: str = "basis",
) -> jax.Array | tuple[jax.Array, dict[str, jax.Array]]:
    """The SPACE objective: alignment + disentanglement + isotropy + stability.

    Alignment is in the squared units of the targets: standardize them first, or the one
    with the largest numbers is all that is trained.

    Differentiate it *inside* ``shard_map`` under ``axis_name``: each device gets the
    loss of the whole batch, and the gradient with respect to its own rows that a single
    device would have. Gradients of parameters shared by all devices are then the sum
    over devices, which ``shard_map`` takes by itself unless ``check_vma=False``.

    Averaging gradients over micro-batches (``optax.MultiSteps``) gives those of the large
    batch for stability alone, which sees no batch. Alignment centres every micro-batch by
    itself: over equal ones it averages to the large batch's loss less the variance of
    their mean residuals, so it is additive only where those means agree. Disentanglement
    and isotropy are not linear in the statistics of a batch. Where accumulation must be
    exact, train on the squared error of ``space.decode(Z)`` in place of alignment: its
    means are stored. Moments are additive: a tracker with ``decay=1`` may be updated with
    every micro-batch.

    Args:
        Z: Latents (B, D).
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
        A: Decoders ``{q: (k_q, p_q)}``; (k_q,) for a target of shape (B,).
        Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p. Names that ``W``
            lacks are ignored, here and in ``A`` and ``W_prev``.
        W_prev: Earlier bases ``{q: (k_q, D)}``, or ``None``.
        n_dir: Number of leading singular values in the isotropy term, 32 by default; see
            ``isotropy_loss``.
        weights: Scalars by term, ``"alignment"``, ``"disentanglement"``,
            ``"isotropy"`` and ``"stability"``; 1 by default. They may be traced. Each loss
            by itself takes weights by quantity.
        return_terms: Whether to return the unweighted terms as well, as
            ``value_and_grad(has_aux=True)`` wants them.
        where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where samples
            lack quantities: each is decoded on the rows that have it, and the other terms
            see the rows that have any.
        axis_name: Mesh axis that ``shard_map`` splits the batch over; isotropy refuses
            derivatives of second order then.
        solver: Route of the isotropy term; see ``isotropy_loss``.
        pair_norm: See ``disentanglement_loss``.
        metric: See ``stability_loss``.

    Returns:
        The weighted sum, a scalar; or ``(sum, {term: unweighted value})``.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If shapes don't fit, ``B < 2``, ``W`` is empty, a name is missing or
            an option or weight is unknown. Differentiated twice under ``axis_name``.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from spacelearn_jax import solve_subspaces
        >>> Z = jax.random.normal(jax.random.key(0), (32, 6))
        >>> Y = {"p": Z[:, :2] ** 2, "u": Z[:, 2:4]}
        >>> space = solve_subspaces(Z, Y, k=2)
        >>> total, terms = combined_loss(
        ...     Z, space.W, space.A, Y, None, weights={"isotropy": 0.1}, return_terms=True
        ... )
        >>> sorted(terms)
        ['alignment', 'disentanglement', 'isotropy', 'stability']
    """
    function = "combined_loss"
    z, w, mask = _batch.check_latents_and_bases(
        function, Z, W, where, axis_name, min_rows=2, may_be_empty=False
    )
    y = _checks.targets(function, Y, B=z.shape[0], names=w)
    a = _checks.decoders(function, A, w, y)
    prev = check_previous(function, w, W_prev, metric)
    _checks.choice(function, "pair_norm", pair_norm, PAIR_NORMS)
    n_dir = _checks.integer(function, "n_dir", n_dir)
    return_terms = _checks.flag(function, "return_terms", return_terms)
    rows = z.shape[0] * _numerics.axis_size(axis_name)
    total, terms = _combined(
        z,
        w,
        a,
        y,
        prev,
        check_weights(function, weights, TERMS, "the terms of the loss"),
        mask,
        n_dir=n_dir,
        solver=check_solver(function, solver, needs=min(n_dir, rows, z.shape[1])),
        pair_norm=pair_norm,
        metric=metric,
        axis_name=axis_name,
    )
    return (total, terms) if return_terms else total

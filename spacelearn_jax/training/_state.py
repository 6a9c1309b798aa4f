"""The state of a tracker, and what it has to fit."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from spacelearn_jax import _checks, _moments, _numerics
from spacelearn_jax._subspaces import limits
from spacelearn_jax.moments._given import require_wide
from spacelearn_jax.space import Space


class TrackerState(NamedTuple):
    """What a tracker carries from step to step; a pytree.

    Attributes:
        space: The present subspaces, decoders and means.
        W_prev: Bases before the last refresh, for ``stability_loss``.
        step: Updates so far.
        refreshes: Solves so far, the first one included.
        drift: Mean squared projector distance ``0.5 * ||P - P_prev||_F^2`` that the last
            refresh moved the subspaces.
        since: Updates since the last refresh.
        moments: Decayed second moments.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax.training import track_subspaces
        >>> Z = jnp.eye(8)
        >>> state = track_subspaces(2).init(Z, {"p": Z[:, :3]})
        >>> int(state.step), int(state.refreshes), sorted(state.W_prev)
        (0, 1, ['p'])
    """

    space: Space
    W_prev: dict[str, jax.Array]
    step: jax.Array
    refreshes: jax.Array
    drift: jax.Array
    since: jax.Array
    moments: _moments.Sums


def require_state(function: str, state: Any) -> None:
    """Requires the state of a tracker, of a dtype that can be solved."""
    if not isinstance(state, TrackerState):
        raise _checks.failure(
            TypeError,
            function,
            "state",
            "a TrackerState",
            _checks.described(state),
            "The order is update(Z, Y, state).",
        )
    dtype = state.drift.dtype
    require_wide(function, "state", dtype)
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise _checks.failure(
            TypeError,
            function,
            "state",
            "of float32, as JAX's 64 bits are off",
            f"one of {dtype}",
            "Turn jax_enable_x64 on, or start a new state.",
        )


def check_state(
    function: str,
    state: Any,
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: _numerics.Where,
    k: int | Mapping[str, int],
) -> None:
    """Requires a state of these quantities, shapes, latents and dimensions."""
    shapes = state.space.target_shapes or {}
    _checks.known_names(function, "Y", Y, shapes, "the quantities that are tracked")
    _checks.has_names(function, "Y", Y, shapes)
    for q, y in Y.items():
        if y.shape[1:] != shapes[q]:
            raise _checks.failure(
                ValueError,
                function,
                _checks.entry("Y", q),
                f"of shape (B, ...) with trailing axes {shapes[q]} as in init",
                f"shape {y.shape}",
                "Pass targets of one shape, or start a new state.",
            )
    if isinstance(where, dict) and not state.moments.missing:
        raise _checks.failure(
            ValueError,
            function,
            "where",
            "of shape (B,), as in init",
            "a mapping by quantity",
            "Start the state with where={q: mask} too (a Flax NNX module: missing=True), so "
            "that each has its own moments.",
        )
    D = next(iter(state.moments.z_mean.values())).shape[0]
    if Z.shape[1] != D:
        raise _checks.failure(
            ValueError,
            function,
            "Z",
            f"of shape (B, D) with D = {D} as in init",
            f"shape {Z.shape}",
            "Pass latents of one width, or start a new state.",
        )
    for q, size in zip(Y, _checks.sizes(function, k, limits(Z, Y)), strict=True):
        tracked = state.space.W[q].shape[0]
        if tracked != size:
            raise _checks.failure(
                ValueError,
                function,
                "state",
                f"of subspaces of k = {size} dimensions for {q!r}",
                f"one of {tracked}",
                "Use the k that it was made with, or start a new state.",
            )

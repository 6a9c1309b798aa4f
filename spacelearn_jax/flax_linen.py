"""The subspace tracker as a Flax Linen module.

A latent inside a network is captured by ``apply(capture_intermediates=...)``, which takes
every layer's output, or those that a filter names:

    >>> import jax, jax.numpy as jnp
    >>> from flax import linen as nn
    >>> from spacelearn_jax.training import as_latents
    >>> model = nn.Sequential([nn.Conv(8, (3, 3)), nn.relu, nn.Conv(1, (3, 3))])
    >>> images = jnp.ones((4, 5, 5, 1))
    >>> variables = model.init(jax.random.key(0), images)
    >>> y, changed = model.apply(
    ...     variables,
    ...     images,
    ...     capture_intermediates=lambda module, method: module.name == "layers_0",
    ...     mutable=["intermediates"],
    ... )
    >>> features = changed["intermediates"]["layers_0"]["__call__"][0]
    >>> as_latents(features, batch_axes=(0, 1, 2)).shape  # a sample of every pixel
    (100, 8)

A value that is no layer's output is sown where it arises, with
``self.sow("intermediates", "latent", h)``, and found under
``changed["intermediates"]["latent"][0]``. Gradients flow through what is captured.
"""

from collections.abc import Hashable, Mapping

import jax
from flax import linen as nn
from flax.core import FrozenDict
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax import _flax_serialization as _flax_serialization  # registers
from spacelearn_jax.linalg import Solver
from spacelearn_jax.space import Space
from spacelearn_jax.training import TrackerState, track_subspaces
from spacelearn_jax.training._tracker import Every

__all__ = ["SubspaceTracker"]


#: The variable collection that holds the state.
COLLECTION = "space"


class SubspaceTracker(nn.Module):
    """Tracks subspaces of latents as BatchNorm tracks its statistics.

    Its state is in the variable collection ``"space"``: apply with
    ``mutable=["space"]`` in training, and with ``use_running_average=True`` in
    evaluation. ``init`` solves the first subspaces on its batch, which stays in the
    moments: hand it a real one. See ``training.track_subspaces``.

    Args:
        k: Dimensions of the subspaces: one for all, or ``{q: k_q}``.
        every: Updates between refreshes, a schedule, or ``training.WhenDrifted``.
        decay: Weight that a batch keeps per later update, in [0, 1].
        align: Whether refreshed bases are rotated to the old ones.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank``.
        use_running_average: Whether to return the stored subspaces without an update,
            unless the call says otherwise.

    Raises:
        TypeError: If an argument is of the wrong kind, when called.
        ValueError: If it is out of range, when called.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> tracker = SubspaceTracker(k=2)
        >>> Z = jnp.eye(8)
        >>> variables = tracker.init(jax.random.key(0), Z, {"p": Z[:, :3]})
        >>> space, changed = tracker.apply(variables, Z, {"p": Z[:, :3]}, mutable=["space"])
        >>> space.W["p"].shape, int(changed["space"]["state"].step)
        ((2, 8), 1)
    """

    k: int | Mapping[str, int]
    every: Every = 100
    decay: float = 0.99
    align: bool = True
    solver: Solver = "auto"
    use_running_average: bool = False

    def __post_init__(self) -> None:
        """Makes a mapping hashable, as the arguments of a module have to be."""
        if isinstance(self.k, Mapping):
            self.k = FrozenDict(self.k)
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike] | None = None,
        *,
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        axis_name: Hashable | None = None,
        use_running_average: bool | None = None,
    ) -> Space:
        """Returns the subspaces, updated with a batch in training.

        Args:
            Z: Latents (B, D); not read in evaluation.
            Y: Targets ``{q: (B, ...)}``; not read in evaluation.
            where: Valid rows (B,) bool, or ``{q: (B,)}`` where samples lack quantities.
            axis_name: Mesh axis that ``shard_map`` splits the batch over.
            use_running_average: Overrides the module's own setting.

        Returns:
            The ``Space``, detached.

        Raises:
            TypeError: If dtypes or kinds are wrong.
            ValueError: If shapes don't fit, or the state was never initialized.
        """
        tracker = track_subspaces(
            self.k, every=self.every, decay=self.decay, align=self.align, solver=self.solver
        )
        stored = self.use_running_average if use_running_average is None else use_running_average
        stored = _checks.flag("SubspaceTracker", "use_running_average", stored)
        if not (self.is_initializing() or self.has_variable(COLLECTION, "state")):
            raise _checks.failure(
                ValueError,
                "SubspaceTracker",
                f"the collection {COLLECTION!r}",
                "given to apply",
                "none",
                "Call init first, and pass the variables that it returns.",
            )
        if Y is None and not (stored and self.has_variable(COLLECTION, "state")):
            raise _checks.failure(
                ValueError,
                "SubspaceTracker",
                "Y",
                "given in training and in init",
                "None",
                "Pass the targets, or use_running_average=True once the state is there.",
            )

        def first() -> TrackerState:
            assert Y is not None  # checked above
            return tracker.init(Z, Y, where=where, axis_name=axis_name)

        state = self.variable(COLLECTION, "state", first)
        if not stored and not self.is_initializing():
            assert Y is not None  # checked above
            state.value = tracker.update(Z, Y, state.value, where, axis_name=axis_name)
        return jax.lax.stop_gradient(state.value.space)

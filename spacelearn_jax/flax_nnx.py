"""The subspace tracker as a Flax NNX module.

A latent inside a network is captured around the call, with ``nnx.capture`` (Flax 0.12.6
and newer). ``method_outputs`` takes the output of every layer of a model as it is:

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from spacelearn_jax.training import as_latents
    >>> model = nnx.Sequential(
    ...     nnx.Conv(1, 8, (3, 3), rngs=nnx.Rngs(0)),
    ...     nnx.relu,
    ...     nnx.Conv(8, 1, (3, 3), rngs=nnx.Rngs(1)),
    ... )
    >>> images = jnp.ones((4, 5, 5, 1))
    >>> forward = nnx.capture(model, nnx.Intermediate, method_outputs=nnx.Intermediate)
    >>> y, seen = forward(images)
    >>> features = seen["layers"][0]["__call__"][0]
    >>> as_latents(features, batch_axes=(0, 1, 2)).shape  # a sample of every pixel
    (100, 8)

A value that is no layer's output is sown where it arises, under a name of its own:

    >>> class Encoder(nnx.Module):
    ...     def __init__(self, rngs):
    ...         self.dense = nnx.Linear(3, 8, rngs=rngs)
    ...
    ...     def __call__(self, x):
    ...         h = jnp.tanh(self.dense(x))
    ...         self.sow(nnx.Intermediate, "latent", h)
    ...         return h.sum(axis=-1)
    >>> y, seen = nnx.capture(Encoder(nnx.Rngs(0)), nnx.Intermediate)(jnp.ones((4, 3)))
    >>> seen["latent"][0].shape
    (4, 8)

Both work inside ``nnx.jit`` and ``nnx.value_and_grad``, and gradients flow through what is
captured. In older releases sow, call, then ``nnx.pop(model, nnx.Intermediate)``.
"""

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike

from spacelearn_jax import _checks, training
from spacelearn_jax import _flax_serialization as _flax_serialization  # registers
from spacelearn_jax.linalg import Solver
from spacelearn_jax.moments import _given
from spacelearn_jax.space import Space
from spacelearn_jax.training import TrackerState, track_subspaces
from spacelearn_jax.training._tracker import Every, empty_state

__all__ = ["SubspaceTracker", "SubspaceVariable"]


class SubspaceVariable(nnx.Variable):
    """The tracker's state, a variable type of its own: never a parameter.

    Example:
        >>> from flax import nnx
        >>> issubclass(SubspaceVariable, nnx.Param)
        False
    """


@dataclasses.dataclass(frozen=True)
class _Options:
    """Arguments of the tracker, comparable, so that equal modules share their graph."""

    k: int | tuple[tuple[str, int], ...]
    every: Every
    decay: float
    align: bool
    solver: Solver

    def tracker(self) -> training.SubspaceTracker:
        k = dict(self.k) if isinstance(self.k, tuple) else self.k
        return track_subspaces(
            k, every=self.every, decay=self.decay, align=self.align, solver=self.solver
        )


class SubspaceTracker(nnx.Module):
    """Tracks subspaces of latents as BatchNorm tracks its statistics.

    In training, ``space = tracker(Z, Y)`` folds the batch into the moments and refreshes
    the subspaces when due; in evaluation, ``tracker(use_running_average=True)`` returns
    them as they are. The state sits in a ``SubspaceVariable``, so that
    ``nnx.Optimizer(wrt=nnx.Param)`` leaves it alone. Before the first batch all of it is
    zeros, and so is what it decodes. See ``training.track_subspaces``.

    Args:
        num_features: Width D of the latents.
        targets: Trailing shape of every quantity's target, ``{q: shape}``; () for (B,), and
            an int p for (p,).
        k: Dimensions of the subspaces: one for all, or ``{q: k_q}``.
        every: Updates between refreshes, a schedule, or ``training.WhenDrifted``.
        decay: Weight that a batch keeps per later update, in [0, 1].
        align: Whether refreshed bases are rotated to the old ones.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank``.
        use_running_average: Whether to return the stored subspaces without an update,
            unless the call says otherwise.
        missing: Whether samples may lack quantities, ``where={q: (B,)}``; each then has
            latent moments of its own, Q (D, D) matrices in place of one.
        dtype: Floating dtype of the state.
        rngs: Accepted for symmetry with other modules and not used.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If it is out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> tracker = SubspaceTracker(8, {"p": (3,)}, k=2)
        >>> Z = jnp.eye(8)
        >>> space = tracker(Z, {"p": Z[:, :3]})
        >>> space.W["p"].shape, int(tracker.state.get_value().step)
        ((2, 8), 1)
    """

    def __init__(
        self,
        num_features: int,
        targets: Mapping[str, int | tuple[int, ...]],
        *,
        k: int | Mapping[str, int],
        every: Every = 100,
        decay: float = 0.99,
        align: bool = True,
        solver: Solver = "auto",
        use_running_average: bool = False,
        missing: bool = False,
        dtype: Any = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        del rngs
        function = "SubspaceTracker"
        sizes = tuple(_checks.mapping(function, "k", k).items()) if isinstance(k, Mapping) else k
        decay = _checks.fraction(function, "decay", decay)
        self._options = _Options(sizes, every, decay, align, solver)
        D = _checks.integer(function, "num_features", num_features)
        given, widths = _given.sizes(function, targets, "targets")
        shapes = {q: (widths[q],) if shape is None else shape for q, shape in given}
        dtype = _given.float_dtype(function, dtype)
        self.use_running_average = _checks.flag(
            function, "use_running_average", use_running_average
        )
        missing = _checks.flag(function, "missing", missing)
        _given.refuse_unnamed(function, widths, None, argument="targets", missing=missing)
        state = empty_state(self._options.tracker(), D, shapes, dtype, missing=missing)
        self.state = SubspaceVariable(state)

    def __call__(
        self,
        Z: ArrayLike | None = None,
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
            ValueError: If shapes don't fit the module, or training lacks latents or targets.
        """
        state: TrackerState = self.state.get_value()
        stored = self.use_running_average if use_running_average is None else use_running_average
        if not _checks.flag("SubspaceTracker", "use_running_average", stored):
            if Z is None or Y is None:
                raise _checks.failure(
                    ValueError,
                    "SubspaceTracker",
                    "Z and Y",
                    "given in training",
                    "None",
                    "Pass them, or use_running_average=True in evaluation.",
                )
            tracker = self._options.tracker()
            state = tracker.update(Z, Y, state, where, axis_name=axis_name)
            self.state.set_value(state)
        return jax.lax.stop_gradient(state.space)

    @property
    def W_prev(self) -> dict[str, jax.Array]:
        """Bases before the last refresh, for ``stability_loss``."""
        return self.state.get_value().W_prev

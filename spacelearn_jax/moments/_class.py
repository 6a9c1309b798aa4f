"""Moments as users see them."""

import dataclasses
import functools
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from spacelearn_jax import _checks, _moments
from spacelearn_jax._repr import shown
from spacelearn_jax.moments import _compiled, _given


@functools.partial(jax.tree_util.register_dataclass, data_fields=["sums"], meta_fields=["shapes"])
@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Count, means and centred second moments of latents and targets; a frozen pytree.

    ``merge`` is associative and commutative to rounding, and ``zeros`` its neutral
    element, so that batches, shards and files can be added in any order. All that solves
    takes a ``Moments`` in place of the data, ``solve_subspaces(m, k=8)``, ``subspaces``,
    ``principal_directions`` and ``optim.fit_decoders(W, m)``, and so do ``optim.k_per_q(m)``
    and ``solve_dims``. ``optim.optimal_bins`` alone needs the fields themselves.

    ``count`` (), ``z_mean`` (D,), ``y_mean[q]`` (p_q,), ``Szz`` (D, D), ``Szy[q]``
    (D, p_q) and ``Syy[q]`` (p_q, p_q) are read as attributes. The sums are about the
    means and not divided by the count. Where samples lack quantities (a mask by name),
    each has rows of its own: ``Szz`` is ``{q: (D, D)}`` then, and ``counts`` says how many.

    In float32 every number is kept as a pair whose sum has twice the digits: counts go on
    past 2^24, and neither many batches nor a mean far from 0 cost accuracy. What is kept are
    products: rescale latents and targets whose deviations are below 1e-15 or above 1e15.

    Attributes:
        sums: The numbers. Make them with ``from_batch`` or ``zeros``.
        shapes: Trailing target shapes by name, None for (p_q,).

    Example:
        >>> import jax
        >>> Z = jax.random.normal(jax.random.key(0), (64, 8))
        >>> m = Moments.from_batch(Z[:40], {"p": Z[:40, :3]})
        >>> m = m.update(Z[40:], {"p": Z[40:, :3]})
        >>> print(m.count, m.Szz.shape, m.Szy["p"].shape)
        64.0 (8, 8) (8, 3)
    """

    sums: _moments.Sums
    shapes: _given.Shapes

    def __repr__(self) -> str:
        """Shows shapes, not numbers."""
        names = ("n", "z_mean", "y_mean", "Szz", "Szy", "Syy")
        sums = {name: getattr(self.sums, name) for name in names}
        return shown("Moments", sums | {"shapes": dict(self.shapes)})

    @property
    def count(self) -> jax.Array:
        """The number of rows (), or the sum of their weights, rounded to the dtype."""
        return self.sums.n[""]

    @property
    def counts(self) -> dict[str, jax.Array]:
        """The same for every quantity."""
        return {q: self.sums.n[self.sums.group(q)] for q in self.sums.Szy}

    @property
    def z_mean(self) -> jax.Array:
        """Mean latent (D,) of the rows that have any quantity."""
        return self.sums.z_mean[""]

    @property
    def y_mean(self) -> dict[str, jax.Array]:
        """Mean targets ``{q: (p_q,)}``."""
        return self.sums.y_mean

    @property
    def Szz(self) -> Any:
        """Centred latent products (D, D); ``{q: (D, D)}`` where samples lack quantities."""
        return dict(self.sums.Szz) if self.sums.missing else self.sums.Szz[""]

    @property
    def Szy(self) -> dict[str, jax.Array]:
        """Centred products of latents and targets ``{q: (D, p_q)}``."""
        return self.sums.Szy

    @property
    def Syy(self) -> dict[str, jax.Array] | None:
        """Centred target products ``{q: (p_q, p_q)}``, or None."""
        return self.sums.Syy

    @property
    def target_shapes(self) -> dict[str, tuple[int, ...]]:
        """Trailing target shapes."""
        widths = {q: x.shape for q, x in self.sums.y_mean.items()}
        return {q: widths[q] if shape is None else shape for q, shape in self.shapes}

    @staticmethod
    def zeros(
        D: int,
        p: Mapping[str, int | tuple[int, ...]],
        dtype: DTypeLike = jnp.float32,
        *,
        targets: bool = True,
        missing: bool = False,
    ) -> "Moments":
        """Makes the moments of no rows.

        Args:
            D: Width of the latents.
            p: Widths ``{q: p_q}`` of the flattened targets, or their trailing shapes:
                ``merge`` fills in those that a width leaves open, so that the carry of a
                scan over merges needs shapes.
            dtype: float32, which keeps pairs of numbers, or float64.
            targets: Whether to keep ``Syy``, which ``k_per_q`` and ``solve_dims`` need.
            missing: Whether samples may lack quantities, so that each has its own rows.

        Returns:
            The neutral element of ``merge``.

        Raises:
            TypeError: If an argument is of the wrong kind.
            ValueError: If ``p`` is empty, or ``D`` or a width is below 1.

        Example:
            >>> m = Moments.zeros(8, {"p": 3})
            >>> print(m.count, m.Szy["p"].shape)
            0.0 (8, 3)
        """
        function = "Moments.zeros"
        width = _checks.integer(function, "D", D)
        shapes, widths = _given.sizes(function, p)
        targets = _checks.flag(function, "targets", targets)
        missing = _checks.flag(function, "missing", missing)
        _given.refuse_unnamed(function, widths, None, argument="p", missing=missing)
        kept = _given.float_dtype(function, dtype)
        sums = _moments.zeros(width, widths, kept, targets=targets, fourth=True, missing=missing)
        return Moments(sums, shapes)

    @staticmethod
    def from_batch(
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike],
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        targets: bool = True,
        axis_name: Hashable | None = None,
    ) -> "Moments":
        """Computes the moments of one batch. They carry no gradient.

        Args:
            Z: Latents (B, D).
            Y: Targets ``{q: (B, ...)}``, trailing axes flattened to p.
            where: Valid rows (B,) bool; the others are left out. ``{q: (B,)}`` where
                samples lack quantities.
            sample_weight: How often each row counts (B,), at least 0; a negative weight
                makes everything NaN. The sum of weights is the number of rows.
            targets: Whether to keep ``Syy``, which ``k_per_q`` and ``solve_dims`` need.
            axis_name: Mesh axis that ``shard_map`` splits the batch over.

        Returns:
            The moments, float64 for float64 input and float32 otherwise.

        Raises:
            TypeError: If dtypes or kinds are wrong.
            ValueError: If shapes don't fit, or ``Z`` or ``Y`` is empty.

        Example:
            >>> import jax.numpy as jnp
            >>> Z = jnp.array([[0.0, 1.0], [2.0, 1.0]])
            >>> m = Moments.from_batch(Z, {"x": 3 * Z[:, 0]})
            >>> print(m.z_mean, m.Szy["x"][:, 0])
            [1. 1.] [6. 0.]
        """
        function = "Moments.from_batch"
        batch = _given.batch(function, Z, Y, where, sample_weight, axis_name)
        targets = _checks.flag(function, "targets", targets)
        sums = _compiled.from_batch(*batch, targets=targets, axis_name=axis_name)
        return Moments(sums, tuple((q, y.shape[1:]) for q, y in batch[1].items()))

    def update(
        self,
        Z: ArrayLike,
        Y: Mapping[str, ArrayLike],
        where: ArrayLike | Mapping[str, ArrayLike] | None = None,
        decay: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        axis_name: Hashable | None = None,
    ) -> "Moments":
        """Adds a batch.

        Args:
            Z: Latents (B, D).
            Y: Targets ``{q: (B, ...)}`` of the same quantities and widths.
            where: Valid rows (B,) bool, or ``{q: (B,)}`` if made so.
            decay: Factor in [0, 1] on the weight of all earlier rows, a scalar, for latents
                that change; a traced one outside makes everything NaN. A batch without valid
                rows fades nothing.
            sample_weight: How often each row counts (B,), at least 0; a negative weight
                makes everything NaN. The sum of weights is the number of rows.
            axis_name: Mesh axis that ``shard_map`` splits the batch over; the moments
                are the same on all devices.

        Returns:
            Moments of the same structure and dtype.

        Raises:
            TypeError: If dtypes or kinds are wrong.
            ValueError: If shapes or names don't fit, or ``decay`` is outside [0, 1].

        Example:
            >>> import jax.numpy as jnp
            >>> Z = jnp.array([[0.0, 1.0], [2.0, 1.0]])
            >>> m = Moments.zeros(2, {"x": 1}).update(Z, {"x": Z[:, 0]})
            >>> print(m.update(Z + 3, {"x": Z[:, 0]}, decay=0.5).z_mean)
            [3. 3.]
        """
        function = "Moments.update"
        z, y, mask, weights = _given.batch(function, Z, Y, where, sample_weight, axis_name)
        _given.require_fitting(function, self.sums, self.shapes, z, y, mask)
        factor = None
        if decay is not None:
            if not isinstance(decay, jax.core.Tracer):
                _checks.fraction(function, "decay", decay)
            factor = _checks.scalar(function, "decay", decay)
            # What is traced can't be refused, and must not count.
            factor = jnp.where((factor >= 0) & (factor <= 1), factor, jnp.nan)
        sums = _compiled.update(self.sums, z, y, mask, weights, factor, axis_name=axis_name)
        return Moments(sums, self.shapes)

    def merge(self, other: "Moments") -> "Moments":
        """Joins the moments of two sets of rows.

        Args:
            other: Moments of the same quantities, widths, dtype and options.

        Returns:
            The moments of both sets together.

        Raises:
            TypeError: If ``other`` is no ``Moments``, or of another dtype.
            ValueError: If it is of other quantities, widths or options.

        Example:
            >>> import jax.numpy as jnp
            >>> Z = jnp.array([[0.0, 1.0], [2.0, 1.0]])
            >>> a = Moments.from_batch(Z, {"x": Z[:, 0]})
            >>> b = Moments.from_batch(Z + 4, {"x": Z[:, 0]})
            >>> print(a.merge(b).z_mean, a.merge(b).Szz[0])
            [3. 3.] [20. 16.]
        """
        function = "Moments.merge"
        if not isinstance(other, Moments):
            raise _checks.failure(
                TypeError,
                function,
                "other",
                "a Moments",
                _checks.described(other),
                "Make one of a batch with Moments.from_batch, or use update.",
            )
        _given.require_mergeable(function, self.sums, other.sums)
        _given.same_axes(function, "other", self.shapes, dict(other.shapes))
        known = dict(other.shapes)
        shapes = tuple((q, known[q] if shape is None else shape) for q, shape in self.shapes)
        return Moments(_compiled.merge(self.sums, other.sums), shapes)

    def psum(self, axis_name: Hashable) -> "Moments":
        """Joins the moments of all devices of a mesh axis, inside ``shard_map``.

        Args:
            axis_name: The mesh axis.

        Returns:
            The moments of all rows, the same on every device.

        Raises:
            TypeError: If ``axis_name`` is no name.
            ValueError: If there is no such axis here.

        Example:
            >>> import jax
            >>> Z = jax.random.normal(jax.random.key(0), (4, 8, 3))
            >>> def count(z):
            ...     return Moments.from_batch(z, {"x": z[:, 0]}).psum("i").count
            >>> print(jax.vmap(count, axis_name="i")(Z))
            [32. 32. 32. 32.]
        """
        function = "Moments.psum"
        if axis_name is None:
            fix = "Use the name given to jax.make_mesh."
            raise _checks.failure(
                TypeError, function, "axis_name", "the name of a mesh axis", "None", fix
            )
        _checks.axis(function, axis_name)
        return Moments(_compiled.psum(self.sums, axis_name=axis_name), self.shapes)

    def explained_variance(
        self,
        W: Mapping[str, ArrayLike],
        A: Mapping[str, ArrayLike],
    ) -> dict[str, jax.Array]:
        """Share of each quantity's variance that its decoder explains on these rows.

        ``1 - sum |y - y_hat|^2 / sum |y - y_mean|^2``, with the intercept that is best
        for these rows; 0 for a constant target. It carries no gradient.

        Args:
            W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
            A: Decoders ``{q: (k_q, p_q)}``, or (k_q,) for p = 1.

        Returns:
            ``{q: scalar}``, at most 1 but for rounding.

        Raises:
            TypeError: If dtypes or kinds are wrong.
            ValueError: If shapes don't fit, a quantity is missing, or ``Syy`` was not kept.

        Example:
            >>> import jax.numpy as jnp
            >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
            >>> m = Moments.from_batch(Z, {"x": 3 * Z[:, 0]})
            >>> W, A = {"x": jnp.array([[1.0, 0.0]])}, {"x": jnp.array([3.0])}
            >>> print(m.explained_variance(W, A)["x"])
            1.0
        """
        function = "Moments.explained_variance"
        sums = _given.one_set(function, "the moments", self.sums, targets=True)
        w = _checks.bases(function, "W", W, D=self.z_mean.shape[0])
        _checks.known_names(function, "W", w, sums.Szy, "the quantities of the moments")
        like = {q: jax.ShapeDtypeStruct((1, *self.target_shapes[q]), jnp.float32) for q in w}
        a = _checks.decoders(function, A, w, like)  # type: ignore[arg-type]
        return _compiled.explained(sums, w, a)

"""The solved subspaces, ready for training and for inference."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import jax
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics
from spacelearn_jax._compile import compiled
from spacelearn_jax._repr import shown

__all__ = ["Space"]

#: What of a space holds arrays.
LEAVES = ("W", "A", "V", "z_mean", "y_mean")


def _over_batch(mean: jax.Array, batch: jax.Array) -> jax.Array:
    """Gives a mean (d,) the rank of a batch (..., d)."""
    return mean.reshape((1,) * (batch.ndim - 1) + mean.shape)


@compiled(keep_axes=-1)
def _coordinates(Z: jax.Array, W: dict[str, jax.Array], z_mean: jax.Array) -> dict[str, jax.Array]:
    dtype = _numerics.compute_dtype(Z, z_mean, *W.values())
    Zc = Z.astype(dtype) - _over_batch(z_mean.astype(dtype), Z)
    return {q: Zc @ w.astype(dtype).T for q, w in W.items()}


@compiled(static=("shapes",), keep_axes=-1)
def _decode(
    Z: jax.Array,
    W: dict[str, jax.Array],
    A: dict[str, jax.Array],
    z_mean: jax.Array,
    y_mean: dict[str, jax.Array],
    *,
    shapes: tuple[tuple[int, ...], ...],
) -> dict[str, jax.Array]:
    decoded = {}
    for shape, (q, S) in zip(shapes, _coordinates(Z, W, z_mean).items(), strict=True):
        dtype = _numerics.compute_dtype(S, A[q], y_mean[q])
        y = S.astype(dtype) @ A[q].astype(dtype).reshape(S.shape[-1], -1)
        decoded[q] = (y + _over_batch(y_mean[q].astype(dtype), y)).reshape(*Z.shape[:-1], *shape)
    return decoded


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """Subspaces of the latent space, one a quantity, with all that inference needs.

    A frozen pytree: it goes through ``jit``, ``scan`` and checkpoints as any other.
    Iteration is over the names in sorted order; ``space[q]`` is ``(W, A, V)``.

    Args:
        W: Bases ``{q: (k_q, D)}`` with orthonormal rows.
        A: Decoders ``{q: (k_q, p_q)}``, or (k_q,) for a target of shape (B,).
        V: Principal target directions ``{q: (p_q,)}``.
        z_mean: Mean latent (D,), which ``coordinates`` and ``decode`` subtract.
        y_mean: Mean targets ``{q: (p_q,)}``, which ``decode`` adds.
        target_shapes: Trailing target shapes ``{q: shape}``, static. By default those
            of ``A``: (p_q,), or () for a decoder (k_q,).

    Raises:
        TypeError: If ``W``, ``A`` or ``V`` is not a mapping of arrays, or a target shape
            no tuple of ints.
        ValueError: If their names differ.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax import solve_subspaces
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0]])
        >>> space = solve_subspaces(Z, {"x": 2.0 * Z[:, 0]}, k=1)
        >>> list(space), space.W["x"].shape
        (['x'], (1, 2))
    """

    W: Mapping[str, jax.Array]
    A: Mapping[str, jax.Array]
    V: Mapping[str, jax.Array]
    z_mean: jax.Array | None = None
    y_mean: Mapping[str, jax.Array] | None = None
    target_shapes: Mapping[str, tuple[int, ...]] | None = None

    def __repr__(self) -> str:
        """Shows shapes, not numbers."""
        return shown("Space", {name: getattr(self, name) for name in (*LEAVES, "target_shapes")})

    def __post_init__(self) -> None:
        mappings: dict[str, Any] = {"W": self.W, "A": self.A, "V": self.V}
        if self.y_mean is not None:
            mappings["y_mean"] = self.y_mean
        if self.target_shapes is not None:
            mappings["target_shapes"] = self.target_shapes
        for argument, value in mappings.items():
            of = "quantity names to " + ("shapes" if argument == "target_shapes" else "arrays")
            value = _checks.mapping("Space", argument, value, may_be_empty=True, of=of)
            _checks.has_names("Space", argument, value, self.W)
            _checks.known_names("Space", argument, value, self.W, "the names of W")
            object.__setattr__(self, argument, value)
        for argument in ("W", "A", "V", "y_mean"):
            for q, leaf in (getattr(self, argument) or {}).items():
                _require_array(_checks.entry(argument, q), leaf)
        if self.z_mean is not None:
            _require_array("z_mean", self.z_mean)
        given = self.target_shapes
        if given is None:
            given = {q: a.shape[1:] for q, a in self.A.items()}
        shapes = {q: _shape(_checks.entry("target_shapes", q), s) for q, s in given.items()}
        object.__setattr__(self, "target_shapes", shapes)

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], Any]:
        """Splits into leaves and the static target shapes (pytree protocol)."""
        keys = [(jax.tree_util.GetAttrKey(name), getattr(self, name)) for name in LEAVES]
        assert self.target_shapes is not None  # set in __post_init__
        return keys, tuple(self.target_shapes.items())

    @classmethod
    def tree_unflatten(cls, shapes: Any, leaves: Iterable[Any]) -> Self:
        """Joins leaves and target shapes (pytree protocol), without looking at them."""
        space = object.__new__(cls)
        for name, leaf in zip(LEAVES, leaves, strict=True):
            object.__setattr__(space, name, leaf)
        object.__setattr__(space, "target_shapes", dict(shapes))
        return space

    def keys(self) -> list[str]:
        """Returns the names, sorted."""
        return sorted(self.W)

    def values(self) -> list[tuple[jax.Array, jax.Array, jax.Array]]:
        """Returns ``(W, A, V)`` of every quantity."""
        return [self[q] for q in self]

    def items(self) -> list[tuple[str, tuple[jax.Array, jax.Array, jax.Array]]]:
        """Returns ``(name, (W, A, V))`` of every quantity."""
        return [(q, self[q]) for q in self]

    def __getitem__(self, name: str) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns ``(W, A, V)`` of one quantity."""
        self._require("Space[...]", "the name", [name], "a quantity of this space")
        return self.W[name], self.A[name], self.V[name]

    def __iter__(self) -> Iterator[str]:
        """Iterates over the names, sorted."""
        return iter(self.keys())

    def __len__(self) -> int:
        """Counts the quantities."""
        return len(self.W)

    def __contains__(self, name: object) -> bool:
        """Tells whether there is a quantity of this name."""
        return name in self.W

    def coordinates(self, Z: ArrayLike) -> dict[str, jax.Array]:
        """Coordinates of latents in every subspace.

        ``(Z - z_mean) W_q^T``

        Args:
            Z: Latents (..., D): one vector or any batch.

        Returns:
            ``{q: (..., k_q)}``.

        Raises:
            TypeError: If ``Z`` is not a floating array.
            ValueError: If its last axis is not D, or no means are stored.

        Example:
            >>> import jax.numpy as jnp
            >>> from spacelearn_jax import solve_subspaces
            >>> Z = jnp.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0]])
            >>> space = solve_subspaces(Z, {"x": 2.0 * Z[:, 0]}, k=1)
            >>> space.coordinates(Z[0])["x"].shape
            (1,)
        """
        x, W, z_mean = self._latents("Space.coordinates", Z)
        return _coordinates(x, W, z_mean)

    def decode(self, Z: ArrayLike, names: Iterable[str] | None = None) -> dict[str, jax.Array]:
        """Reads quantities from latents, each from its own subspace.

        ``(Z - z_mean) W_q^T A_q + y_mean_q``

        Args:
            Z: Latents (..., D): one vector or any batch.
            names: Quantities to decode, all by default.

        Returns:
            ``{q: (..., *target_shape)}`` in the units of the targets.

        Raises:
            TypeError: If ``Z`` is not a floating array or ``names`` a bare string.
            ValueError: If its last axis is not D, a name is unknown, or no means are
                stored.

        Example:
            >>> import jax.numpy as jnp
            >>> from spacelearn_jax import solve_subspaces
            >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
            >>> space = solve_subspaces(Z, {"x": 2.0 * Z[:, 0]}, k=1)
            >>> print(space.decode(jnp.array([5.0, 1.0]))["x"].round(4))
            10.0
        """
        function = "Space.decode"
        x, W, z_mean = self._latents(function, Z)
        if names is not None:
            names = _checks.names(function, "names", names)
            self._require(function, "names", names, "quantities of this space")
        chosen = sorted(W if names is None else set(names))
        A, y_mean = self._decoders(function, {q: W[q] for q in chosen})
        shapes = self.target_shapes or {}
        return _decode(
            x,
            {q: W[q] for q in chosen},
            A,
            z_mean,
            y_mean,
            shapes=tuple(shapes[q] for q in chosen),
        )

    def _require(self, function: str, argument: str, names: Iterable[Any], expected: str) -> None:
        for name in names:
            if not isinstance(name, str) or name not in self.W:
                raise _checks.failure(
                    ValueError,
                    function,
                    argument,
                    expected,
                    repr(name) if isinstance(name, str) else _checks.described(name),
                    _checks.nearest(str(name), self.W),
                )

    def _without(self, function: str, mean: str) -> Exception:
        return _checks.failure(
            ValueError,
            function,
            "the space",
            f"one with {mean}",
            f"{mean}=None",
            "Get it from solve_subspaces, or pass the means to Space(...).",
        )

    def _latents(
        self, function: str, Z: ArrayLike
    ) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
        """Checks latents against the bases and the stored means."""
        if self.z_mean is None:
            raise self._without(function, "z_mean")
        # A space may have been stacked by vmap, or rebuilt from other leaves.
        z_mean = _checks.floating(function, "z_mean", self.z_mean)
        if z_mean.ndim != 1:
            raise _checks.failure(
                ValueError,
                function,
                "z_mean",
                "of shape (D,)",
                f"shape {z_mean.shape}",
                "Use a stack of spaces under jax.vmap.",
            )
        x = _checks.floating(function, "Z", Z)
        D = z_mean.shape[0]
        if x.ndim < 1 or x.shape[-1] != D:
            raise _checks.failure(
                ValueError,
                function,
                "Z",
                f"of shape (..., D) with D = {D}",
                f"shape {x.shape}",
                "Pass latents of the network that the space was solved for.",
            )
        return x, _checks.bases(function, "W", self.W, D=D, may_be_empty=True), z_mean

    def _decoders(
        self, function: str, W: Mapping[str, jax.Array]
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """Checks decoders and mean targets against bases and target shapes."""
        if self.y_mean is None:
            raise self._without(function, "y_mean")
        shapes, means = self.target_shapes or {}, self.y_mean
        A: dict[str, jax.Array] = {}
        y_mean: dict[str, jax.Array] = {}
        for q, w in W.items():
            k, p = w.shape[0], math.prod(shapes[q])
            for argument, leaf, out, fitting in (
                ("A", self.A[q], A, ((k, p), (k,)) if p == 1 else ((k, p),)),
                ("y_mean", means[q], y_mean, ((p,),)),
            ):
                what = _checks.entry(argument, q)
                x = _checks.floating(function, what, leaf)
                if x.shape not in fitting:
                    raise _checks.failure(
                        ValueError,
                        function,
                        what,
                        f"of shape {fitting[0]} for k = {k} and the target shape {shapes[q]}",
                        f"shape {x.shape}",
                        "Take all parts of a space from one solve.",
                    )
                out[q] = x
        return A, y_mean


def _require_array(what: str, leaf: Any) -> None:
    # Whatever has a shape and a dtype: arrays, and the shapes that eval_shape gives.
    if isinstance(leaf, type) or not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
        fix = "Take the parts of a space from solve_subspaces."
        raise _checks.failure(TypeError, "Space", what, "an array", _checks.described(leaf), fix)


def _shape(what: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple | list):
        fix = "Pass the shape of one sample of the target, y.shape[1:]."
        got = _checks.described(value)
        raise _checks.failure(TypeError, "Space", what, "a tuple of ints", got, fix)
    return tuple(_checks.integer("Space", what, size) for size in value)

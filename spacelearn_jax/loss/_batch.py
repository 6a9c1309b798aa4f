"""Batch statistics that the losses share."""

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from spacelearn_jax import _checks, _cuts, _numerics, _schedule
from spacelearn_jax.moments import Moments


class Layout(NamedTuple):
    """Where each quantity's rows lie in the stacked bases."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, W: Mapping[str, jax.Array]) -> "Layout":
        """Reads the layout off the bases, in the order of names."""
        return cls(tuple(W), tuple(w.shape[0] for w in W.values()))

    def split(self, S: jax.Array) -> dict[str, jax.Array]:
        """Cuts stacked coordinates (B, K) into {q: (B, k_q)}."""
        return dict(zip(self.names, _cuts.split(S, self.sizes, axis=1), strict=True))


def stack(W: Mapping[str, jax.Array], dtype: jnp.dtype) -> jax.Array:
    """Stacks all bases to one matrix (K, D)."""
    return jnp.concatenate([w.astype(dtype) for w in W.values()])


Coordinates = Callable[[jnp.dtype], jax.Array]


def coordinates(
    Z: jax.Array,
    W: Mapping[str, jax.Array],
    where: jax.Array | None,
    axis_name: Hashable | None,
    *,
    precision: jax.lax.Precision | None = None,
    token: jax.Array | None = None,
) -> Coordinates:
    """Returns what projects centred latents on all subspaces at once, (B, K), in a dtype.

    Losses that are used together take it from one place: a product that is traced once is
    also differentiated by one product. With a ``token`` they wait for it; see ``_schedule``.
    """

    @functools.cache
    def project(dtype: jnp.dtype) -> jax.Array:
        Zc = _numerics.center(Z.astype(dtype), where, axis_name)
        S = jnp.matmul(Zc, stack(W, dtype).T, precision=precision)
        return S if token is None else _schedule.after(token, S)

    return project


def check_latents_and_bases(
    function: str,
    Z: object,
    W: object,
    where: object,
    axis_name: Hashable | None,
    *,
    min_rows: int,
    may_be_empty: bool,
) -> tuple[jax.Array, dict[str, jax.Array], _numerics.Where]:
    """Checks what every batch loss takes."""
    _checks.axis(function, axis_name)
    if isinstance(Z, Moments):
        raise _checks.failure(
            TypeError,
            function,
            "Z",
            "a batch of latents (B, D)",
            "Moments",
            "Moments are scored by their explained_variance(W, A).",
        )
    z = _checks.latents(function, Z, min_rows=min_rows, axis_name=axis_name)
    w = _checks.bases(function, "W", W, D=z.shape[1], may_be_empty=may_be_empty)
    return z, w, _checks.masks(function, where, z.shape[0], w)

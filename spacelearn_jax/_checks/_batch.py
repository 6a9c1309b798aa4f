"""Checks of latents, bases, targets and decoders against each other."""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import jax

from spacelearn_jax._checks._arrays import floating, is_floating, mask, real, rows
from spacelearn_jax._checks._errors import entry, failure
from spacelearn_jax._checks._mappings import has_names, mapping


def latents(
    function: str, Z: Any, *, min_rows: int = 1, axis_name: Hashable | None = None
) -> jax.Array:
    """Converts the latents ``Z`` (B, D).

    The row count is left to the other devices under ``axis_name``: a shard of one
    row is a fine part of a batch of eight.
    """
    x = floating(function, "Z", Z)
    if x.ndim != 2:
        fix = (
            "Flatten the trailing axes with Z.reshape(Z.shape[0], -1), "
            "or use jax.vmap for a stack of batches."
        )
        if x.ndim < 2:
            fix = "Stack the latents of a batch with jnp.stack."
        raise failure(ValueError, function, "Z", "of shape (B, D)", f"shape {x.shape}", fix)
    if x.shape[1] < 1:
        raise failure(
            ValueError,
            function,
            "Z",
            "at least one latent wide",
            f"shape {x.shape}",
            "Keep some of its columns.",
        )
    needed = 1 if axis_name is not None else min_rows
    rows(function, "Z", x, needed)
    return x


def basis(function: str, argument: str, value: Any, *, D: int | None = None) -> jax.Array:
    """Converts one basis (k, D), of the width ``D`` if that is known."""
    x = floating(function, argument, value)
    if not _is_basis(x.shape, D):
        raise _no_basis(function, argument, x.shape, D)
    return x


def bases(
    function: str,
    argument: str,
    value: Any,
    *,
    D: int | None = None,
    names: Iterable[str] | None = None,
    may_be_empty: bool = False,
) -> dict[str, jax.Array]:
    """Converts bases ``{q: (k_q, D)}`` of the same ``D``; names outside ``names`` are left out."""
    out = mapping(function, argument, value, may_be_empty=may_be_empty or names is not None)
    if names is not None:
        names = list(names)
        has_names(function, argument, out, names)
        out = {name: out[name] for name in names}
    for name, w in out.items():
        # Arrays that are as they should be, the common case, cost an eager call a microsecond
        # each here, and a name for what is wrong with them as much again.
        if not is_floating(w):
            w = out[name] = floating(function, entry(argument, name), w)
        shape = w.shape
        if not _is_basis(shape, D):
            raise _no_basis(function, entry(argument, name), shape, D)
        D = shape[1]
    return out


def _is_basis(shape: tuple[int, ...], D: int | None) -> bool:
    return len(shape) == 2 and 0 < shape[0] <= shape[1] and (D is None or shape[1] == D)


def _no_basis(function: str, argument: str, shape: tuple[int, ...], D: int | None) -> Exception:
    expected, fix = "of shape (k, D) with k >= 1", "A basis has one row a direction."
    if len(shape) == 1:
        fix = f"A basis has one row a direction: pass {argument}[None] for a single one."
    elif len(shape) == 2 and 0 not in shape:
        fix = f"It looks transposed: pass {argument}.T."
        if D is not None and shape[1] != D:
            expected = f"of shape (k, D) with D = {D}"
            if shape[0] != D:
                fix = "Solve the subspaces on latents of this width."
        else:
            expected = "of shape (k, D) with k <= D orthonormal rows"
            if D is not None:
                fix = "More rows than latents can't be orthonormal: leave some out."
    return failure(ValueError, function, argument, expected, f"shape {shape}", fix)


def same_latents(function: str, first: str, W_a: jax.Array, second: str, W_b: jax.Array) -> None:
    """Requires two bases of the same latent space."""
    if W_a.shape[1] != W_b.shape[1]:
        raise failure(
            ValueError,
            function,
            second,
            f"a basis of the same latent space as {first}, D = {W_a.shape[1]}",
            f"shape {W_b.shape}",
            "Compare bases solved on latents of one width.",
        )


def targets(
    function: str,
    Y: Any,
    *,
    B: int | None = None,
    names: Iterable[str] | None = None,
    min_rows: int = 1,
) -> dict[str, jax.Array]:
    """Converts targets ``{q: (B, ...)}``; names outside ``names`` are left out."""
    given = mapping(function, "Y", Y, may_be_empty=names is not None)
    if names is not None:
        names = list(names)
        has_names(function, "Y", given, names)
        given = {name: given[name] for name in names}
    out: dict[str, jax.Array] = {}
    for name, y in given.items():
        what = entry("Y", name)
        x = real(function, what, y)
        if x.ndim < 1 or 0 in x.shape[1:]:
            raise failure(
                ValueError,
                function,
                what,
                "of shape (B,), (B, p) or (B, ...)",
                f"shape {x.shape}",
                "The first axis counts samples, the others what a sample holds.",
            )
        if B is None:
            rows(function, what, x, min_rows)
            B = x.shape[0]
        if x.shape[0] != B:
            fix = "Pass targets and latents of the same samples."
            if x.ndim == 2 and x.shape[1] == B:
                fix = f"It looks transposed: pass {what}.T."
            expected = f"of {B} rows like the rest of the batch"
            raise failure(ValueError, function, what, expected, f"shape {x.shape}", fix)
        out[name] = x
    return out


def width(x: jax.Array) -> int:
    """Returns p, the number of values a sample of a target has."""
    return math.prod(x.shape[1:])


def decoders(
    function: str, A: Any, W: Mapping[str, jax.Array], Y: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
    """Converts decoders ``{q: (k_q, p_q)}`` (or (k_q,) for p = 1) for the names of ``W``."""
    given = mapping(function, "A", A, may_be_empty=True)
    has_names(function, "A", given, W)
    out: dict[str, jax.Array] = {}
    for name, w in W.items():
        what = entry("A", name)
        x = floating(function, what, given[name])
        k, p = w.shape[0], width(Y[name])
        if x.shape != (k, p) and not (p == 1 and x.shape == (k,)):
            fix = "Fit it with fit_decoders on the same W and Y."
            if x.shape == (p, k):
                fix = f"It looks transposed: pass {what}.T."
            raise failure(
                ValueError,
                function,
                what,
                f"of shape (k, p) = {(k, p)}, for W[{name!r}] {w.shape} and Y[{name!r}] "
                f"{Y[name].shape}",
                f"shape {x.shape}",
                fix,
            )
        # To reshape costs more than all else here, even where there is nothing to do.
        out[name] = x if x.ndim == 2 else x.reshape(k, p)
    return out


def masks(
    function: str, where: Any, B: int, names: Iterable[str]
) -> jax.Array | dict[str, jax.Array] | None:
    """Converts one mask of valid rows (B,), or one a quantity."""
    if not isinstance(where, Mapping):
        return mask(function, where, B)
    given = mapping(function, "where", where, may_be_empty=True)
    names = list(names)
    has_names(function, "where", given, names)
    out = {}
    for name in names:
        what = entry("where", name)
        x = mask(function, given[name], B, argument=what)
        if x is None:
            raise failure(
                TypeError,
                function,
                what,
                "a (B,) bool array",
                "None",
                "Mark every sample that has the quantity, np.ones(B, bool) for all.",
            )
        out[name] = x
    return out

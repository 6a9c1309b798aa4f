"""Checks of batches and moments against each other."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax import _checks, _moments, _numerics
from spacelearn_jax.moments import _compiled

Shapes = tuple[tuple[str, tuple[int, ...] | None], ...]
Batch = tuple[jax.Array, dict[str, jax.Array], _numerics.Where, jax.Array | None]


def batch(
    function: str,
    Z: Any,
    Y: Any,
    where: Any,
    sample_weight: Any,
    axis_name: Hashable | None,
) -> Batch:
    """Checks latents, targets, mask and weights of a batch."""
    _checks.axis(function, axis_name)
    z = _checks.latents(function, Z, axis_name=axis_name)
    y = _checks.targets(function, Y, B=z.shape[0])
    refuse_unnamed(function, y, where)
    mask = _checks.masks(function, where, z.shape[0], y)
    if sample_weight is None:
        return z, y, mask, None
    weights = _checks.real(function, "sample_weight", sample_weight)
    if weights.shape != z.shape[:1]:
        raise _checks.failure(
            ValueError,
            function,
            "sample_weight",
            f"of shape (B,) = ({z.shape[0]},)",
            f"shape {weights.shape}",
            "Pass one weight a row.",
        )
    return z, y, mask, weights


def refuse_unnamed(
    function: str, Y: Mapping[str, Any], where: Any, *, argument: str = "Y", missing: bool = False
) -> None:
    """Refuses a quantity named "" beside masks by name: "" is the key of all rows together."""
    if (missing or isinstance(where, Mapping)) and "" in Y:
        raise _checks.failure(
            ValueError,
            function,
            _checks.entry(argument, ""),
            "named where quantities have rows of their own",
            "an empty name",
            "Rename it.",
        )


def sizes(function: str, p: Any, argument: str = "p") -> tuple[Shapes, dict[str, int]]:
    """Converts widths, or trailing shapes, to both."""
    shapes: dict[str, tuple[int, ...] | None] = {}
    widths: dict[str, int] = {}
    for q, size in _checks.mapping(function, argument, p, of="quantity names to widths").items():
        what = _checks.entry(argument, q)
        if isinstance(size, tuple | list):
            shape = tuple(_checks.integer(function, what, each) for each in size)
            shapes[q], widths[q] = shape, math.prod(shape)
        else:
            kind = "an int or a tuple of ints"
            shapes[q], widths[q] = None, _checks.integer(function, what, size, kind=kind)
    return tuple(shapes.items()), widths


def float_dtype(function: str, dtype: Any) -> Any:
    """Converts a floating dtype to the one that moments of it have."""
    try:
        given = jnp.dtype(dtype)
    except Exception:  # a TypeError, ValueError or AttributeError, depending on the input
        given = None
    if dtype is None or given is None or not jnp.issubdtype(given, jnp.floating):
        got = _checks.described(dtype) if given is None or dtype is None else str(given)
        fix = "Pass jnp.float32 or jnp.float64."
        raise _checks.failure(TypeError, function, "dtype", "a floating dtype", got, fix)
    wide = given == jnp.float64 == jax.dtypes.canonicalize_dtype(given)
    return jnp.dtype("float64" if wide else "float32")


def require_fitting(
    function: str,
    m: _moments.Sums,
    shapes: Shapes,
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: _numerics.Where,
) -> None:
    """Requires a batch of the quantities and widths of moments."""
    one_set(function, "the moments", m)
    _checks.known_names(function, "Y", Y, m.Szy, "the quantities of the moments")
    _checks.has_names(function, "Y", Y, m.Szy)
    D = m.z_mean[""].shape[0]
    if Z.shape[1] != D:
        raise _checks.failure(
            ValueError,
            function,
            "Z",
            f"of shape (B, D) with D = {D} as before",
            f"shape {Z.shape}",
            "Pass latents of one width, or start new moments.",
        )
    for q, y in Y.items():
        p = m.y_mean[q].shape[0]
        if _checks.width(y) != p:
            raise _checks.failure(
                ValueError,
                function,
                _checks.entry("Y", q),
                f"of {p} values a sample as before",
                f"shape {y.shape}",
                "Pass targets of one shape, or start new moments.",
            )
    same_axes(function, "Y", shapes, {q: y.shape[1:] for q, y in Y.items()})
    if isinstance(where, dict) and not m.missing:
        raise _checks.failure(
            ValueError,
            function,
            "where",
            "of shape (B,), as before",
            "a mapping by quantity",
            "Start with zeros(..., missing=True), or from_batch with where={q: mask}.",
        )


def same_axes(
    function: str,
    argument: str,
    shapes: Shapes,
    others: Mapping[str, tuple[int, ...] | None],
) -> None:
    """Requires that axes which are flattened into equal widths are the same ones."""
    for q, shape in shapes:
        other = others[q]
        if shape and other and min(len(shape), len(other)) > 1 and shape != other:
            raise _checks.failure(
                ValueError,
                function,
                _checks.entry(argument, q),
                f"of trailing axes {shape} as before",
                f"{other}",
                "Pass targets of one shape, or flatten them alike.",
            )


def require_mergeable(function: str, a: _moments.Sums, b: _moments.Sums) -> None:
    """Requires two moments that add up field by field."""
    one_set(function, "the moments", a)
    _checks.known_names(function, "other", b.Szy, a.Szy, "the quantities of the moments")
    _checks.has_names(function, "other", b.Szy, a.Szy)
    if a.n[""].dtype != b.n[""].dtype:
        raise _checks.failure(
            TypeError,
            function,
            "other",
            f"of dtype {a.n[''].dtype}",
            str(b.n[""].dtype),
            "Make both of batches of one dtype.",
        )
    options = (("Syy", "targets=False"), ("missing", "a mask by quantity"))
    for name, option in options:
        if bool(getattr(a, name)) != bool(getattr(b, name)):
            with_it, without = f"made with {option}", f"made without {option}"
            first = bool(getattr(a, name)) != (name == "Syy")
            raise _checks.failure(
                ValueError,
                function,
                "other",
                with_it if first else without,
                f"one {without if first else with_it}",
                "Make both with the same options.",
            )
    for name in ("Szz", "Szy"):
        for q, x in getattr(a, name).items():
            y = getattr(b, name)[q]
            if x.shape != y.shape:
                raise _checks.failure(
                    ValueError,
                    function,
                    "other",
                    f"of the same widths, {_checks.entry(name, q) if q else name} {x.shape}",
                    f"shape {y.shape}",
                    "Merge moments of the same latents and targets.",
                )


def one_set(
    function: str,
    argument: str,
    m: _moments.Sums,
    *,
    targets: bool = False,
    axis_name: Hashable | None = None,
) -> _moments.Sums:
    """Returns one set of moments, of all devices, to solve something from."""
    shape = m.z_mean[""].shape
    if len(shape) != 1:
        raise _checks.failure(
            ValueError,
            function,
            argument,
            "one set of moments",
            f"a stack, with z_mean of shape {shape}",
            "Use a stack of moments under jax.vmap.",
        )
    require_wide(function, argument, m.n[""].dtype)
    if targets and m.Syy is None:
        raise _checks.failure(
            ValueError,
            function,
            argument,
            "moments with Syy",
            "some made with targets=False",
            "Leave targets=False out.",
        )
    _checks.axis(function, axis_name)
    return m if axis_name is None else _compiled.psum(m, axis_name=axis_name)


def require_wide(function: str, argument: str, dtype: Any) -> None:
    """Requires sums that were not cast to 16 bits, with all that is in one tree with them."""
    if dtype not in (jnp.float32, jnp.float64):
        raise _checks.failure(
            TypeError,
            function,
            argument,
            "of float32 or float64",
            f"one of {dtype}",
            "Leave it out of what is cast to fewer bits.",
        )


def require_rows(function: str, argument: str, m: _moments.Sums) -> None:
    """Requires moments of some rows, where their number can be read."""
    n = m.n[""]
    # Restored moments may be NumPy's; other processes' parts of an array can't be read.
    hidden = isinstance(n, jax.Array) and (
        isinstance(n, jax.core.Tracer) or not n.is_fully_replicated
    )
    if hidden or float(n) > 1:
        return
    if float(n) == 0:
        raise _checks.failure(
            ValueError,
            function,
            argument,
            "moments of some rows",
            "those of none",
            "Was it a generator, read before, that they were updated with?",
        )
    if not np.any(m.Szz[""]):  # or weights are small
        raise _checks.failure(
            ValueError,
            function,
            argument,
            "moments of at least 2 rows (a variance needs them)",
            "those of one",
            "Update them with more.",
        )


def refuse_others(function: str, **others: Any) -> None:
    """Requires that nothing else of a batch comes with moments."""
    for argument, value in others.items():
        if value is not None:
            fix = "Moments hold targets already, and only the rows that counted."
            if isinstance(value, int):
                fix = f"Moments hold targets already: pass the size by name, as k={value}."
            raise _checks.failure(
                TypeError,
                function,
                argument,
                "left out beside moments",
                _checks.described(value),
                fix,
            )

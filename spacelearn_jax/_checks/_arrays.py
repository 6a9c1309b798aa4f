"""Checks of one array: kind, dtype, rank."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax._checks._errors import described, failure

# A dtype is looked up in JAX's hierarchy once: eager calls check every array they get.
_is = functools.cache(jnp.issubdtype)


def array(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a numeric NumPy or JAX array; anything else is a TypeError."""
    # A JAX array, traced or not, is the common case and needs no second look:
    # the checks run on every eager call.
    if isinstance(value, jax.Array):
        return value
    module = type(value).__module__.split(".")[0]
    if module == "torch":
        raise failure(
            TypeError,
            function,
            argument,
            "a JAX or NumPy array",
            f"a torch.{type(value).__name__}",
            "Convert it with jnp.asarray(tensor.detach().cpu().numpy()).",
        )
    if hasattr(value, "__jax_array__") and not isinstance(value, type):
        return jnp.asarray(value)
    return jnp.asarray(numeric(function, argument, value))


def numeric(function: str, argument: str, value: Any) -> np.ndarray:
    """Returns a numeric NumPy array that JAX can take, of this machine's byte order."""
    if not isinstance(value, np.ndarray | np.generic):
        fix = "Convert it with jnp.asarray(...)."
        if value is None:
            fix = "Pass an array."
        elif isinstance(value, Mapping) and "[" not in argument:
            fix = "Pass one array, as of one quantity: are the arguments in this order?"
        elif isinstance(value, str | type) and "[" not in argument:
            fix = "Pass one array here: are the arguments in this order?"
        raise failure(TypeError, function, argument, "a JAX or NumPy array", described(value), fix)
    if isinstance(value, np.ma.MaskedArray):
        raise failure(
            TypeError,
            function,
            argument,
            "a plain array",
            "a masked one",
            "Convert it with .filled(0), and leave rows out with where=.",
        )
    known = value.dtype.kind in "biufc" or jnp.issubdtype(value.dtype, jnp.floating)
    extended = value.dtype.char in "gG"
    if not known or extended:
        fix = "Convert it with .astype(np.float32); rows of unequal length need padding."
        if extended:
            fix = "JAX has at most 64 bits: convert it with .astype(np.float64)."
        raise failure(TypeError, function, argument, "a numeric array", f"dtype {value.dtype}", fix)
    return np.asarray(value, value.dtype.newbyteorder("="))


def is_floating(value: Any) -> bool:
    """Tells whether this is a floating JAX array, traced or not, as it should be."""
    return isinstance(value, jax.Array) and _is(value.dtype, jnp.floating)


def floating(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a floating array; integers are a TypeError."""
    if is_floating(value):
        return value
    x = array(function, argument, value)
    if not _is(x.dtype, jnp.floating):
        spelt = "" if argument.startswith("the ") else argument
        fix = f"Convert it with {spelt}.astype(jnp.float32)."
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            fix = f"Stack its parts with jnp.concatenate([{argument}.real, {argument}.imag], -1)."
        elif jnp.issubdtype(x.dtype, jax.dtypes.extended):
            fix = "Pass numbers drawn with the key, not the key."
        raise failure(TypeError, function, argument, "of a floating dtype", str(x.dtype), fix)
    return x


def real(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a floating, integer or bool array; complex and keys are a TypeError."""
    integers = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "iu"
    if integers and jax.dtypes.canonicalize_dtype(value.dtype) != value.dtype:
        # JAX would wrap what doesn't fit 32 bits around; targets become floats anyway.
        value = value.astype(np.float32)
    x = array(function, argument, value)
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    if not any(_is(x.dtype, kind) for kind in kinds):
        fix = "Pass real and imaginary parts as separate quantities."
        if jnp.issubdtype(x.dtype, jax.dtypes.extended):
            fix = "Pass numbers drawn with the key, not the key."
        raise failure(
            TypeError, function, argument, "of a floating, integer or bool dtype", str(x.dtype), fix
        )
    return x


def matrix(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a non-empty floating matrix."""
    x = floating(function, argument, value)
    if x.ndim != 2 or 0 in x.shape:
        fixes = {
            1: f"Make a row of it with {argument}[None].",
            2: "An empty matrix has no factors.",
        }
        raise failure(
            ValueError,
            function,
            argument,
            "a matrix of shape (m, n) with m, n >= 1",
            f"shape {x.shape}",
            fixes.get(x.ndim, "Use jax.vmap for a stack of matrices."),
        )
    return x


def rows(function: str, argument: str, x: jax.Array, needed: int) -> None:
    """Requires at least ``needed`` samples."""
    if x.shape[0] < needed:
        why = "a variance needs them" if needed > 1 else "an empty batch has no mean"
        raise failure(
            ValueError,
            function,
            argument,
            f"a batch of at least {needed} {'rows' if needed > 1 else 'row'} ({why})",
            f"B = {x.shape[0]}",
            "Pass a larger batch, or pad it and mask the padding with where=.",
        )


def mask(function: str, where: Any, B: int, *, argument: str = "where") -> jax.Array | None:
    """Converts the mask of valid rows, (B,) bool."""
    if where is None:
        return None
    x = array(function, argument, where)
    if x.dtype != jnp.bool_:
        raise failure(
            TypeError,
            function,
            argument,
            "of dtype bool",
            str(x.dtype),
            "Compare first, for example where=weights > 0.",
        )
    if x.shape != (B,):
        raise failure(
            ValueError,
            function,
            argument,
            f"of shape (B,) = ({B},)",
            f"shape {x.shape}",
            "It marks whole samples, True for the valid ones.",
        )
    return x


def scalar(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a real number or a scalar array of one, traced or not."""
    expected = "a number or a scalar array"
    if isinstance(value, bool):
        raise failure(TypeError, function, argument, expected, described(value), "Pass 1.0 or 0.0.")
    if isinstance(value, int | float):
        try:
            # Weakly typed: float64 only where the loss is.
            return jnp.asarray(float(value))
        except OverflowError:
            raise failure(
                ValueError, function, argument, "finite", described(value), "Pass a smaller number."
            ) from None
    if value is None or isinstance(value, str | list | tuple | type | complex):
        raise failure(TypeError, function, argument, expected, described(value), "Pass a number.")
    x = array(function, argument, value)
    if not any(jnp.issubdtype(x.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise failure(
            TypeError, function, argument, expected, f"dtype {x.dtype}", "Pass a real number."
        )
    if x.ndim != 0:
        raise failure(
            ValueError,
            function,
            argument,
            expected,
            f"shape {x.shape}",
            "Reduce it to one number, for example with .sum().",
        )
    return x

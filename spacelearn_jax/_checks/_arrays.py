"""Checks of one array: kind, dtype, rank."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax._checks._errors import failure


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
            "a torch.Tensor",
            "Convert it with jnp.asarray(tensor.detach().cpu().numpy()).",
        )
    if hasattr(value, "__jax_array__"):
        return jnp.asarray(value)
    if not isinstance(value, np.ndarray | np.generic):
        raise failure(
            TypeError,
            function,
            argument,
            "a JAX or NumPy array",
            f"a {type(value).__name__}",
            "Convert it with jnp.asarray(...).",
        )
    if value.dtype.kind not in "biuf" and not jnp.issubdtype(value.dtype, jnp.floating):
        raise failure(
            TypeError,
            function,
            argument,
            "a numeric array",
            f"dtype {value.dtype}",
            "Convert it to a floating dtype first.",
        )
    return jnp.asarray(value)


def floating(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a floating array; integers are a TypeError."""
    x = array(function, argument, value)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise failure(
            TypeError,
            function,
            argument,
            "of a floating dtype",
            str(x.dtype),
            f"Convert it with {argument}.astype(jnp.float32).",
        )
    return x


def real(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a floating, integer or bool array; complex and keys are a TypeError."""
    x = array(function, argument, value)
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    if not any(jnp.issubdtype(x.dtype, kind) for kind in kinds):
        raise failure(
            TypeError,
            function,
            argument,
            "of a floating, integer or bool dtype",
            str(x.dtype),
            "Pass real and imaginary parts as separate quantities.",
        )
    return x


def matrix(function: str, argument: str, value: Any) -> jax.Array:
    """Converts a non-empty floating matrix."""
    x = floating(function, argument, value)
    if x.ndim != 2 or 0 in x.shape:
        raise failure(
            ValueError,
            function,
            argument,
            "a matrix of shape (m, n) with m, n >= 1",
            f"shape {x.shape}",
            "Use jax.vmap for a stack of matrices.",
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
            f"a batch of at least {needed} rows ({why})",
            f"B = {x.shape[0]}",
            "Pass a larger batch, or pad it and mask the padding with where=.",
        )


def mask(function: str, where: Any, B: int) -> jax.Array | None:
    """Converts the mask of valid rows, (B,) bool."""
    if where is None:
        return None
    x = array(function, "where", where)
    if x.dtype != jnp.bool_:
        raise failure(
            TypeError,
            function,
            "where",
            "of dtype bool",
            str(x.dtype),
            "Compare first, for example where=weights > 0.",
        )
    if x.shape != (B,):
        raise failure(
            ValueError,
            function,
            "where",
            f"of shape (B,) = ({B},)",
            f"shape {x.shape}",
            "It marks whole samples, True for the valid ones.",
        )
    return x

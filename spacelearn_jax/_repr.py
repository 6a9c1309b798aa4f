"""How containers of arrays show themselves."""

from collections.abc import Mapping
from typing import Any

import jax


def shown(name: str, fields: Mapping[str, Any]) -> str:
    """Returns ``name(field=value, ...)`` with dtypes and shapes in place of arrays."""
    shapes = (f"{field}={jax.tree.map(_short, value)}" for field, value in fields.items())
    return f"{name}({', '.join(shapes)})"


def _short(x: Any) -> Any:
    known = hasattr(x, "shape") and hasattr(x, "dtype")
    return f"{x.dtype}{list(x.shape)}" if known else x

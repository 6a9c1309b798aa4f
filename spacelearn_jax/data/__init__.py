"""Pooling of target fields, and pipelines from inputs to quantities."""

from spacelearn_jax.data._compute_q import compute_Q as compute_Q
from spacelearn_jax.data._decorators import ensure_dim as ensure_dim
from spacelearn_jax.data._decorators import to_device as to_device
from spacelearn_jax.data._pipeline import input_to_quantity as input_to_quantity
from spacelearn_jax.data._pool import pool as pool

__all__ = [
    "compute_Q",
    "ensure_dim",
    "input_to_quantity",
    "pool",
    "to_device",
]

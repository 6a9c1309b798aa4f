"""Factorizations, solver choice, and angles between subspaces."""

from spacelearn_jax.linalg._angles import principal_angles as principal_angles
from spacelearn_jax.linalg._residual import residual_bound as residual_bound
from spacelearn_jax.linalg._solvers import LowRank as LowRank
from spacelearn_jax.linalg._solvers import Solver as Solver
from spacelearn_jax.linalg._svd import full as full
from spacelearn_jax.linalg._svd import left as left
from spacelearn_jax.linalg._svd import right as right
from spacelearn_jax.linalg._svd import singular_values as singular_values

__all__ = [
    "LowRank",
    "Solver",
    "full",
    "left",
    "principal_angles",
    "residual_bound",
    "right",
    "singular_values",
]

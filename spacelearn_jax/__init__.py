"""Subspace Partitioning for Accessible Controlled Encodings, in JAX."""

from importlib import metadata as _metadata

from spacelearn_jax import data as data
from spacelearn_jax import io as io
from spacelearn_jax import linalg as linalg
from spacelearn_jax import loss as loss
from spacelearn_jax import optim as optim
from spacelearn_jax import training as training
from spacelearn_jax._dims import solve_dims as solve_dims
from spacelearn_jax._solve import solve_subspaces as solve_subspaces
from spacelearn_jax._subspaces import principal_directions as principal_directions
from spacelearn_jax._subspaces import subspaces as subspaces
from spacelearn_jax.loss import combined_loss as combined_loss
from spacelearn_jax.moments import Moments as Moments
from spacelearn_jax.space import Space as Space
from spacelearn_jax.streams import fit_stream as fit_stream

__version__ = _metadata.version("spacelearn-jax")

__all__ = [
    "Moments",
    "Space",
    "combined_loss",
    "data",
    "fit_stream",
    "io",
    "linalg",
    "loss",
    "optim",
    "principal_directions",
    "solve_dims",
    "solve_subspaces",
    "subspaces",
    "training",
]

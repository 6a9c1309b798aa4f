"""Subspaces of data that comes in batches and never has to be in memory at once."""

from spacelearn_jax.streams._fit import fit_stream as fit_stream

__all__ = ["fit_stream"]

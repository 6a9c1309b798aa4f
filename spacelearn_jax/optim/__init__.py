"""Sizing, decoders, and change between solves."""

from spacelearn_jax.optim._bins import optimal_bins as optimal_bins
from spacelearn_jax.optim._change import subspace_change as subspace_change
from spacelearn_jax.optim._decoders import fit_decoders as fit_decoders
from spacelearn_jax.optim._k import k_per_q as k_per_q
from spacelearn_jax.optim._latent_dim import minimal_latent_dim as minimal_latent_dim

__all__ = [
    "fit_decoders",
    "k_per_q",
    "minimal_latent_dim",
    "optimal_bins",
    "subspace_change",
]

"""What processes that tests start are told."""

import os

import jax


def compiled_alike():
    """Returns the environment in which programs, and so the last bits, are those of here."""
    quick = str(int(jax.config.read("jax_disable_most_optimizations")))
    return os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": quick}

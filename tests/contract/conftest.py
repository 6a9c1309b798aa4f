"""What spares the contract suite most of its time: compiling."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def quick_to_compile(request):
    """Skips costly optimizations where programs run but once or twice."""
    quick = not request.module.__name__.endswith("test_transforms")
    jax.config.update("jax_disable_most_optimizations", quick)
    yield
    jax.config.update("jax_disable_most_optimizations", False)

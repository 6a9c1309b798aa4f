"""What spares the contract suite most of its time: compiling."""

import jax
import pytest


def pytest_collection_modifyitems(items):
    """Keeps tests of one public function in one worker, where it is compiled once."""
    for item in items:
        case = item.callspec.params.get("case") if hasattr(item, "callspec") else None
        if hasattr(case, "covers"):
            item.add_marker(pytest.mark.xdist_group(case.covers))


@pytest.fixture(autouse=True, scope="module")
def quick_to_compile(request):
    """Skips costly optimizations where programs run but once or twice."""
    quick = not request.module.__name__.endswith("test_transforms")
    jax.config.update("jax_disable_most_optimizations", quick)
    yield
    jax.config.update("jax_disable_most_optimizations", False)

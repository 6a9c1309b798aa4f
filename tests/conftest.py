"""Settings of the whole suite: no silent promotion of dtypes or ranks."""

import gc
import itertools
import os
import pathlib

# Tests run side by side, on small matrices: threads would wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Programs that note no lines of code are quicker to trace.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import jax
import pytest

# Compiled programs hold millions of objects, which every full collection walks through.
gc.set_threshold(50_000, 20, 50)

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# For the examples in docstrings, which the fixture below doesn't reach.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def x64():
    """Enables float64 for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True, scope="module")
def quick_to_compile(request):
    """Skips costly optimizations, but where they are what is tested.

    Elsewhere compiling takes most of the time, of programs that run but a few times.
    """
    before = jax.config.read("jax_disable_most_optimizations")
    quick = request.node.get_closest_marker("last_digits") is None
    jax.config.update("jax_disable_most_optimizations", quick)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


#: Files whose tests wait for processes of their own, up to minutes each.
LONGEST = {
    "devices/test_devices",
    "demo/test_run",
    "distributed/test_processes",
    "tests/test_benchmarks",
    "tests/test_notebooks",
    "tests/test_readme",
}


def pytest_collection_modifyitems(items):
    """Starts the longest tests first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: _file(item.path) not in LONGEST)


def _file(path):
    return f"{path.parent.name}/{path.stem}"


MAPS = pathlib.Path("/proc/self/maps")
_tests = itertools.count(1)


def pytest_runtest_teardown():
    """Drops compiled programs before there are too many.

    Each takes several memory maps, of which Linux grants a process 65,530; beyond that
    LLVM fails with a segmentation fault. Long before, with 35,000, what is dropped leaves
    the allocator lists to search that cost the next tests half a minute.
    """
    if next(_tests) % 50 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > 8_000:
        jax.clear_caches()
        gc.collect()

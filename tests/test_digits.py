"""Handwritten digits: the tracker against solves between epochs, a small run."""

import importlib.util
import pathlib

import jax
import numpy as np
import pytest

pytest.importorskip("sklearn")

PATH = pathlib.Path(__file__).parents[1] / "benchmarks" / "digits.py"


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quantities_are_what_they_say(digits):
    images = np.zeros((2, 8, 8))
    images[0, 2, 7] = 3.0  # one pixel: row 2, column 7
    images[1] = np.tri(8)  # the lower left
    with np.errstate(invalid="ignore"):  # eight digits appear in neither
        Y = digits.quantities(images, np.array([4, 7]))
    assert {q: y.shape for q, y in Y.items()} == {
        "centroid": (2, 2),
        "digit": (2, 10),
        "ink": (2,),
        "moments": (2, 3),
    }
    # Standardized over two images, a quantity is +-1 by which of them has more.
    np.testing.assert_allclose(Y["ink"], [-1, 1])
    np.testing.assert_allclose(Y["centroid"], [[1, -1], [-1, 1]])
    # A pixel is no wider than itself, and what falls to the right leans.
    np.testing.assert_allclose(Y["moments"], [[-1, -1, -1], [1, 1, 1]])


def test_held_out_images_are_held_out(digits):
    train, held_out = digits.load(0)
    rows = {x.tobytes() for x in train["x"]}
    assert len(train["x"]) + len(held_out["x"]) == 1797
    assert not any(x.tobytes() in rows for x in held_out["x"])


def test_the_tracker_reads_digits_at_least_as_well_as_the_recipe(digits):
    # As Adam needs it.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        ((steps, runs),) = digits.compare(2, [20], ["recipe", "tracker"]).items()
    assert steps == 200
    digits.check(runs, slack=0.0)
    for when in digits.WHEN:
        row = digits.summarize(runs, when)["tracker"]
        assert row["digit"][0] > 0.9
        assert row["mean"][0] > 0.85

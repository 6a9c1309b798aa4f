"""The smallest latent dimension, in exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from spacelearn_jax import optim

GRID = [(f"{i / 20:.2f}", Fraction(i, 20)) for i in range(20)]


@pytest.mark.parametrize(("text", "free"), GRID, ids=[text for text, _ in GRID])
def test_every_size_against_rationals(text, free):
    for P in range(1, 400):
        expected = math.ceil(P / (1 - free))
        assert optim.minimal_latent_dim(P, Q=1, free_frac=float(text)) == expected
    # As users compute fractions: the float of 0.05 * 3 prints as 0.15000000000000002.
    assert optim.minimal_latent_dim(1, Q=1, free_frac=float(free)) == math.ceil(1 / (1 - free))


@pytest.mark.parametrize("heads", [1, 2, 3, 8, 16])
def test_multiple_of_the_heads(heads):
    for P in range(1, 100):
        least = optim.minimal_latent_dim(P, Q=1)
        D = optim.minimal_latent_dim(P, Q=1, num_heads=heads)
        assert D % heads == 0
        assert 0 <= D - least < heads


def test_scalar_and_mapping():
    k = {"a": 3, "b": 5, "c": 1}
    assert optim.minimal_latent_dim(k) == optim.minimal_latent_dim(9, Q=1)
    assert optim.minimal_latent_dim(k, Q=3) == optim.minimal_latent_dim(3, Q=3)
    assert optim.minimal_latent_dim({"a": np.int64(4)}, free_frac=0) == 4


@pytest.mark.parametrize("free", [0.3, np.float32(0.3), np.float64(0.3), np.array(0.3)])
def test_number_types(free):
    assert optim.minimal_latent_dim(21, Q=1, free_frac=free) == 30

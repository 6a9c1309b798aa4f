"""Feature maps as latents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.training import as_latents

X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (0, X.reshape(2, 60)),
        ((0,), X.reshape(2, 60)),
        ([0, 1, 2], X.reshape(24, 5)),
        ((0, -1), X.transpose(0, 3, 1, 2).reshape(10, 12)),
        ((2, 0), X.transpose(2, 0, 1, 3).reshape(8, 15)),
        (-2, X.transpose(2, 0, 1, 3).reshape(4, 30)),
    ],
)
def test_batch_axes(axes, expected):
    np.testing.assert_array_equal(as_latents(X, axes), expected)
    np.testing.assert_array_equal(jax.jit(lambda x: as_latents(x, axes))(X), expected)


def test_latents_stay_as_they_are():
    Z = jnp.ones((3, 4), jnp.bfloat16)
    assert as_latents(Z).dtype == jnp.bfloat16
    assert as_latents(Z).shape == (3, 4)


@pytest.mark.parametrize(
    ("kind", "match", "args"),
    [
        (TypeError, "features must be of a floating dtype", (np.ones((2, 2), int),)),
        (TypeError, "batch_axes must be an int", (X, 1.0)),
        (TypeError, "batch_axes must be an int", (X, "01")),
        (ValueError, "batch_axes must be distinct axes", (X, (0, 0))),
        (ValueError, "batch_axes must be distinct axes", (X, (0, -4))),
        (ValueError, "batch_axes must be distinct axes", (X, ())),
        (ValueError, "batch_axes must be distinct axes", (X, 4)),
        (ValueError, "batch_axes must be at least -4", (X, -5)),
        (ValueError, "batch_axes must be distinct axes.*not all", (X, (0, 1, 2, 3))),
        (ValueError, "batch_axes must be distinct axes", (np.float32(1.0), 0)),
    ],
)
def test_errors(kind, match, args):
    with pytest.raises(kind, match=match):
        as_latents(*args)

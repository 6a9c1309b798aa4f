"""Guards at the ends of the range of floats."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import _numerics


@pytest.mark.parametrize(
    "largest", [0.0, 1e-45, 1e-38, 1e-30, 0.75, 1.0, 3.0, 8e37, 1.2e38, 3.4e38]
)
def test_scaled_by_a_power_of_two_squares_are_safe(largest):
    """And nothing vanishes where the reciprocal of the power would be denormal."""
    x = jnp.float32(largest) * jnp.array([1.0, -0.5, 0.25], jnp.float32)
    scaled = jax.jit(lambda x: x / _numerics.power_of_two(jnp.max(jnp.abs(x))))(x)
    assert np.all(np.square(scaled) <= 16)
    if largest >= 2.0**-100:
        assert 0.5 <= scaled[0] < 4
        np.testing.assert_array_equal(scaled / scaled[0], [1.0, -0.5, 0.25])


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_scaled_by_a_power_of_two_what_is_not_finite_stays(bad):
    x = jnp.array([bad, 1.0], jnp.float32)
    scaled = jax.jit(lambda x: x / _numerics.power_of_two(jnp.max(x)))(x)
    np.testing.assert_equal(np.asarray(scaled[0]), np.float32(bad))


@pytest.mark.parametrize("x", [0.0, -1.0])
def test_no_root_has_no_gradient(x):
    assert jax.value_and_grad(_numerics.safe_sqrt)(x) == (0, 0)


def test_no_quotient_has_no_gradient():
    assert jax.value_and_grad(_numerics.safe_divide, (0, 1))(1.0, 0.0) == (0, (0, 0))

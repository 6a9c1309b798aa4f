"""What waits for something keeps its value, and waits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import _schedule
from spacelearn_jax.loss import combined_loss


@pytest.mark.parametrize("token", [0.0, 3.5, np.inf, np.nan])
def test_values_and_gradients_are_kept_to_the_last_bit(token):
    x = jnp.asarray(np.random.default_rng(0).standard_normal(50), jnp.float32)
    x = x.at[:3].set(jnp.array([jnp.inf, -0.0, jnp.nan]))
    waited, back = jax.vjp(lambda x: _schedule.after(jnp.float32(token), x), x)
    (slope,) = back(x)
    for got in (waited, slope):
        np.testing.assert_array_equal(got, x)
        np.testing.assert_array_equal(np.signbit(got[:2]), [False, True])


def test_a_compiler_keeps_the_wait():
    program = jax.jit(lambda x, y: _schedule.after(jnp.sum(jnp.square(x)), y))
    one = jax.ShapeDtypeStruct((3,), jnp.float32)
    assert "direction=LT" in program.lower(one, one).compile().as_text()


def test_terms_wait_for_the_matrix_of_isotropy_but_not_for_its_eigenvectors():
    r = np.random.default_rng(0)
    Z, Y = (jnp.asarray(r.standard_normal((40, d)), jnp.float32) for d in (16, 3))
    W, A = jnp.eye(16, dtype=jnp.float32), jnp.ones((2, 3), jnp.float32)

    def term(Z, name):
        given = Z, {"p": W[:2], "q": W[2:4]}, {"p": A, "q": A}, {"p": Y, "q": Y}, None
        return combined_loss(*given, return_terms=True)[1][name]

    def program(name):
        return jax.jit(term, static_argnums=1).lower(Z, name).compile().as_text()

    for name in ("alignment", "disentanglement"):
        assert "f32[16,16]" in program(name)
        assert "syev" not in program(name)
    assert "syev" in program("isotropy")

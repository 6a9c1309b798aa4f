"""Small but real training runs, one an optimizer."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

from .problem import TRACKER, assert_learned, data, encode, epoch, loss, start, step, train


def test_adam_in_a_loop_and_in_a_scan():
    optimizer = optax.adam(1e-2)
    carry, losses = train(optimizer, 150)
    assert_learned(carry, losses)
    assert int(carry[2].step) == 150
    assert int(carry[2].refreshes) == 31

    chex.clear_trace_counter()

    @chex.assert_max_traces(n=1)
    def one(carry, batch):
        return step(optimizer, carry, batch)

    jitted = jax.jit(one, donate_argnums=0)
    looped = start(optimizer)
    for i in range(12):
        looped, (value, terms) = jitted(looped, data(i))
        np.testing.assert_allclose(value, losses[i], rtol=1e-3)
    assert set(terms) == {"alignment", "disentanglement", "isotropy", "stability"}


def test_adamw_with_a_mask():
    weights = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)  # noqa: E731
    optimizer = optax.adamw(1e-2, weight_decay=0.02, mask=weights)
    carry, losses = train(optimizer, 150)
    assert_learned(carry, losses)
    # Biases move as with plain adam, weights do not, and the state is never decayed.
    first, plain = (train(o, 1)[0] for o in (optimizer, optax.adam(1e-2)))
    chex.assert_trees_all_close(first[0]["out"]["b"], plain[0]["out"]["b"], atol=1e-7)
    assert not np.allclose(first[0]["out"]["w"], plain[0]["out"]["w"], atol=1e-5)
    chex.assert_trees_all_close(first[2], plain[2], atol=1e-5)


def test_lbfgs_with_its_line_search():
    optimizer = optax.lbfgs(memory_size=5)
    x, Y = data(0, B=256)

    def lbfgs_step(optimizer, carry, _):
        params, opt_state, state = carry
        # The subspaces stay put while the line search evaluates the loss.
        value_of = lambda p: loss(p, x, Y, state.space)[0]  # noqa: E731
        value, grads = optax.value_and_grad_from_state(value_of)(params, state=opt_state)
        updates, opt_state = optimizer.update(
            grads, opt_state, params, value=value, grad=grads, value_fn=value_of
        )
        params = optax.apply_updates(params, updates)
        new = TRACKER.update(encode(params, x), Y, state)
        # The stored value and gradient belong to the subspaces before a refresh.
        refreshed = new.refreshes > state.refreshes
        opt_state = jax.tree.map(
            lambda old, fresh: jnp.where(refreshed, fresh, old),
            opt_state,
            optimizer.init(params),
        )
        return (params, opt_state, new), value

    carry, losses = train(optimizer, 60, lbfgs_step)
    assert_learned(carry, losses, above=0.75)


def test_sam():
    optimizer = contrib.sam(
        optax.adam(1e-2), optax.chain(contrib.normalize(), optax.sgd(0.02)),
        opaque_mode=True, reset_state=False,
    )  # fmt: skip

    def sam_step(optimizer, carry, batch):
        params, opt_state, state = carry
        gradient = jax.grad(lambda p, _: loss(p, *batch, state.space)[0])
        (value, (z, _)), grads = jax.value_and_grad(loss, has_aux=True)(params, *batch, state.space)
        updates, opt_state = optimizer.update(grads, opt_state, params, grad_fn=gradient)
        state = TRACKER.update(z, batch[1], state)
        return (optax.apply_updates(params, updates), opt_state, state), value

    assert_learned(*train(optimizer, 150, sam_step), above=0.8)


def test_multi_transform():
    labels = {"in": "slow", "out": "fast", "head": "frozen"}
    optimizer = optax.multi_transform(
        {"slow": optax.adam(5e-3), "fast": optax.adam(1e-2), "frozen": optax.set_to_zero()}, labels
    )
    carry, losses = train(optimizer, 200)
    assert_learned(carry, losses, above=0.8)
    chex.assert_trees_all_equal(carry[0]["head"], start(optimizer)[0]["head"])


def test_bf16_activations_and_f32_losses():
    optimizer = optax.adam(1e-2)
    half = partial(step, optimizer, dtype=jnp.bfloat16)
    carry, (value, terms) = jax.eval_shape(half, start(optimizer), data(0))
    assert {str(x.dtype) for x in [value, *terms.values()]} == {"float32"}
    assert {str(x.dtype) for x in jax.tree.leaves(carry)} == {"float32", "int32"}
    assert_learned(*train(optimizer, 150, dtype=jnp.bfloat16), above=0.8)
    assert epoch(2)[0].dtype == np.float32

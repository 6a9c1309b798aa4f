"""Which terms survive gradient accumulation, and what to use where one doesn't."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from spacelearn_jax import solve_subspaces
from spacelearn_jax.loss import combined_loss
from spacelearn_jax.training import track_subspaces

from .problem import data, encode, start

X, Y = data(0)
PARTS = 4


@pytest.fixture(scope="module", autouse=True)
def _solved():
    """Solves the subspaces that all micro-batches share."""
    global PARAMS, SPACE, W_PREV
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        PARAMS = start(optax.sgd(0.1))[0]
        SPACE = solve_subspaces(encode(PARAMS, X), Y, k=2)
        earlier = {q: y[:32] for q, y in Y.items()}
        W_PREV = solve_subspaces(encode(PARAMS, X[:32]), earlier, k=2).W


def chunks(tree):
    """Returns equal micro-batches, stacked."""
    return jax.tree.map(lambda x: x.reshape(PARTS, -1, *x.shape[1:]), tree)


def terms(params, x, Y):
    z = encode(params, x)
    return combined_loss(z, SPACE.W, SPACE.A, Y, W_PREV, n_dir=4, return_terms=True)[1]


def decoding_error(params, x, Y):
    """The alignment loss with the means of the space in place of the batch's."""
    decoded = SPACE.decode(encode(params, x))
    errors = [jnp.mean(jnp.square(decoded[q] - y)) for q, y in Y.items()]
    return sum(errors) / len(errors)


def averaged(function):
    """Averages values and gradients over the micro-batches, as accumulation does."""
    each = jax.vmap(function, in_axes=(None, 0, 0))
    return jax.tree.map(lambda x: jnp.mean(x, axis=0), jax.jit(each)(PARAMS, *chunks((X, Y))))


def test_alignment_lacks_the_variance_of_the_mean_residuals():
    between = []
    Z = np.asarray(encode(PARAMS, X))
    for q, y in Y.items():
        residual = (Z @ SPACE.W[q].T @ SPACE.A[q].reshape(len(SPACE.W[q]), -1)).reshape(y.shape)
        between.append(np.mean(np.var(chunks(residual - y).mean(1), axis=0)))
    small, large = averaged(terms), jax.jit(terms)(PARAMS, X, Y)
    expected = float(large["alignment"]) - np.mean(between)
    np.testing.assert_allclose(small["alignment"], expected, rtol=1e-5)
    assert np.mean(between) > 0.01 * float(large["alignment"])


def test_stability_is_additive_and_the_other_terms_are_not():
    small, large = averaged(jax.jacrev(terms)), jax.jit(jax.jacrev(terms))(PARAMS, X, Y)
    chex.assert_trees_all_close(small["stability"], large["stability"], atol=1e-7)
    values, whole = averaged(terms), jax.jit(terms)(PARAMS, X, Y)
    np.testing.assert_allclose(values["stability"], whole["stability"], rtol=1e-6)
    for name in ("alignment", "disentanglement", "isotropy"):
        differ = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), small[name], large[name])
        assert max(jax.tree.leaves(differ)) > 1e-3, name


def test_alignment_is_additive_where_micro_batches_share_their_means():
    # The same inputs in every micro-batch: nothing differs between their means.
    x, y = X[:16], {q: v[:16] for q, v in Y.items()}
    repeated = jax.tree.map(lambda a: np.concatenate([a] * PARTS), (x, y))
    alignment = lambda *batch: terms(*batch)["alignment"]  # noqa: E731
    chex.assert_trees_all_close(
        jax.grad(alignment)(PARAMS, x, y), jax.grad(alignment)(PARAMS, *repeated), atol=1e-6
    )


def test_multi_steps_with_stored_means_is_the_large_batch():
    def objective(params, x, Y):
        y = encode(params, x) @ params["head"]["w"] + params["head"]["b"]
        return optax.l2_loss(y, x).mean() + decoding_error(params, x, Y)

    # At the means of the batch itself this is the alignment loss.
    whole = jax.jit(terms)(PARAMS, X, Y)["alignment"]
    np.testing.assert_allclose(decoding_error(PARAMS, X, Y), whole, rtol=1e-5)

    inner = optax.adam(1e-2)
    small = optax.MultiSteps(inner, every_k_schedule=PARTS)

    @jax.jit
    def accumulate(params, opt_state, x, Y):
        def body(carry, batch):
            params, opt_state = carry
            grads = jax.grad(objective)(params, *batch)
            updates, opt_state = small.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), None

        return jax.lax.scan(body, (params, opt_state), chunks((x, Y)))[0]

    @jax.jit
    def at_once(params, opt_state, x, Y):
        updates, opt_state = inner.update(jax.grad(objective)(params, x, Y), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    slow, fast = (PARAMS, small.init(PARAMS)), (PARAMS, inner.init(PARAMS))
    for i in range(3):
        slow, fast = accumulate(*slow, *data(i)), at_once(*fast, *data(i))
    chex.assert_trees_all_close(slow[0], fast[0], atol=1e-4)
    assert int(slow[1].gradient_step) == 3


def test_moments_are_additive():
    Z = np.asarray(encode(PARAMS, X))
    whole, parts = (track_subspaces(2, decay=1.0, every=n) for n in (1, PARTS))
    first = whole.init(Z, Y)
    micro = first
    for i in range(PARTS):
        z, y = jax.tree.map(lambda x: x[i], chunks((Z, Y)))
        micro = parts.update(z, y, micro)
    large = whole.update(Z, Y, first)
    assert int(micro.refreshes) == int(large.refreshes) == 2
    chex.assert_trees_all_close(micro.space, large.space, atol=1e-4)

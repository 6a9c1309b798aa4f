"""The losses by quantity and by pair, and what weights make of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import solve_subspaces
from spacelearn_jax.loss import alignment_loss, disentanglement_loss, stability_loss

B, D = 24, 6
WEIGHTS = {"a": 2.0, "c": 0.5}


@pytest.fixture(scope="module")
def batch():
    keys = jax.random.split(jax.random.key(0), 3)
    Z = jax.random.normal(keys[0], (B, D))
    Y = {
        "a": jnp.tanh(Z[:, :3]),
        "b": Z[:, 1] * Z[:, 2],
        "c": jax.random.normal(keys[1], (B, 2, 2)),
    }
    first = solve_subspaces(Z, Y, k=2)
    second = solve_subspaces(Z + 0.3 * jax.random.normal(keys[2], (B, D)), Y, k=2)
    return Z, Y, first, second


def losses(batch):
    """Each loss as a function of the latents (or bases) and its own options."""
    Z, Y, space, other = batch
    return {
        "alignment": (lambda Z, **o: alignment_loss(Z, space.W, space.A, Y, **o), Z),
        "disentanglement": (lambda Z, **o: disentanglement_loss(Z, space.W, **o), Z),
        "stability": (lambda W, **o: stability_loss(W, other.W, **o), dict(space.W)),
        "projector": (
            lambda W, **o: stability_loss(W, other.W, metric="projector", **o),
            dict(space.W),
        ),
    }


NAMES = ("alignment", "disentanglement", "stability", "projector")


@pytest.mark.parametrize("name", NAMES)
def test_mean_and_sum_of_the_parts(batch, name):
    loss, x = losses(batch)[name]
    parts = loss(x, reduction="none")
    values = np.asarray(list(parts.values()))
    np.testing.assert_allclose(loss(x), values.mean(), rtol=1e-6)
    np.testing.assert_allclose(loss(x, reduction="mean"), loss(x), rtol=0)
    np.testing.assert_allclose(loss(x, reduction="sum"), values.sum(), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_named(batch, name):
    loss, x = losses(batch)[name]
    names = list(loss(x, reduction="none"))
    pairs = list(itertools.combinations("abc", 2))
    assert names == (pairs if name == "disentanglement" else list("abc"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weights_multiply_the_parts(batch, name, reduction):
    loss, x = losses(batch)[name]
    weight = dict.fromkeys("abc", 1.0) | WEIGHTS
    wanted = [
        value * np.prod([weight[q] for q in quantities])  # "a", or a pair ("a", "b")
        for quantities, value in loss(x, reduction="none").items()
    ]
    got = loss(x, reduction=reduction, weights=WEIGHTS)
    np.testing.assert_allclose(got, getattr(np, reduction)(wanted), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_parts_add_up(batch, name):
    loss, x = losses(batch)[name]
    by_part = jax.jacrev(lambda x: loss(x, reduction="none"))(x)
    total = jax.grad(lambda x: loss(x, reduction="sum"))(x)
    summed = jax.tree.map(lambda *g: sum(g), *by_part.values())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), summed, total)


@pytest.mark.parametrize("name", NAMES)
def test_weights_may_be_traced_and_differentiated(batch, name):
    loss, x = losses(batch)[name]
    weights = {q: jnp.float32(w) for q, w in WEIGHTS.items()}
    slope = jax.jit(jax.grad(lambda w: loss(x, weights=w)))(weights)
    assert all(np.isfinite(g) for g in slope.values())
    np.testing.assert_allclose(
        jax.jit(lambda w: loss(x, weights=w))(weights), loss(x, weights=WEIGHTS), rtol=1e-6
    )


def test_a_quantity_alone_has_the_value_of_its_part(batch):
    Z, Y, space, _ = batch
    parts = alignment_loss(Z, space.W, space.A, Y, reduction="none")
    for q in Y:
        alone = alignment_loss(Z, {q: space.W[q]}, space.A, Y)
        np.testing.assert_allclose(parts[q], alone, rtol=1e-6)
    for pair, value in disentanglement_loss(Z, space.W, reduction="none").items():
        alone = disentanglement_loss(Z, {q: space.W[q] for q in pair})
        np.testing.assert_allclose(value, alone, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nothing_to_reduce(batch, reduction):
    Z, _, space, _ = batch
    empty = {} if reduction == "none" else 0
    assert alignment_loss(Z, {}, {}, {}, reduction=reduction) == empty
    assert disentanglement_loss(Z, {"a": space.W["a"]}, reduction=reduction) == empty


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "avg"}, r"reduction must be one of 'mean', 'sum', 'none', got 'avg'"),
        ({"reduction": True}, "reduction must be one of"),
        ({"weights": {"d": 1.0}}, r"weights must be keyed by the quantities of W.* 'd'"),
        ({"weights": {"a": jnp.ones(2)}}, r"weights\['a'\] must be .*scalar.*, got shape \(2,\)"),
        ({"reduction": "none", "weights": {}}, "weights must be None for reduction='none'"),
    ],
)
def test_errors(batch, name, options, message):
    loss, x = losses(batch)[name]
    with pytest.raises(ValueError, match=message):
        loss(x, **options)


def test_a_bad_basis_spoils_its_own_pairs_alone(batch):
    Z, _, space, _ = batch
    W = dict(space.W)
    good = disentanglement_loss(Z, W, reduction="none")
    W["a"] = W["a"] * jnp.nan
    pairs = disentanglement_loss(Z, W, reduction="none")
    assert np.isnan(pairs["a", "b"])
    assert np.isnan(pairs["a", "c"])
    np.testing.assert_allclose(pairs["b", "c"], good["b", "c"], rtol=1e-6)
    # And no gradient hides it.
    gradient = jax.grad(lambda Z: disentanglement_loss(Z, W, reduction="none")["a", "b"])(Z)
    assert np.isnan(gradient).any()

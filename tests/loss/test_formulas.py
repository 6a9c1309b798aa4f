"""Every loss against its formula in NumPy, and gradients against differences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from spacelearn_jax import linalg, loss

from . import reference

SIZES = {"p": 3, "u": 1, "w": 2}


def batch(B=20, D=9, seed=0, sizes=SIZES):
    """Latents, overlapping bases that aren't orthogonal to each other, decoders, targets."""
    rng = np.random.default_rng(seed)
    W = {q: np.linalg.qr(rng.standard_normal((D, k)))[0].T for q, k in sizes.items()}
    Y = {"p": rng.standard_normal((B, 4)), "u": rng.standard_normal(B)}
    Y["w"] = rng.standard_normal((B, 1, 2, 3))
    A = {"p": rng.standard_normal((3, 4)), "u": rng.standard_normal(1)}
    A["w"] = rng.standard_normal((2, 6))
    return rng.standard_normal((B, D)) + 2.0, W, A, Y


def some(tree, *names):
    return {q: tree[q] for q in names}


NAMES = [("p",), ("p", "u"), ("p", "u", "w")]


@pytest.mark.parametrize("names", NAMES)
def test_alignment(x64, names):
    Z, W, A, Y = batch()
    got = loss.alignment_loss(Z, some(W, *names), A, Y)
    np.testing.assert_allclose(got, reference.alignment(Z, some(W, *names), A, Y), rtol=1e-12)


def test_alignment_takes_a_column_or_a_vector(x64):
    Z, W, A, Y = batch()
    expected = loss.alignment_loss(Z, some(W, "u"), A, Y)
    for a in (A["u"], A["u"][:, None]):
        for y in (Y["u"], Y["u"][:, None]):
            got = loss.alignment_loss(Z, some(W, "u"), {"u": a}, {"u": y})
            np.testing.assert_array_equal(got, expected)


def test_alignment_of_integer_and_bool_targets():
    Z, W, A, _ = jax.tree.map(np.float32, batch())
    labels = np.arange(20) % 3
    for y in (labels, labels > 1):
        got = loss.alignment_loss(Z, some(W, "u"), A, {"u": y})
        expected = loss.alignment_loss(Z, some(W, "u"), A, {"u": y.astype(np.float32)})
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == jnp.float32


def test_alignment_of_no_quantity_is_zero():
    Z, _, A, Y = jax.tree.map(np.float32, batch())
    assert loss.alignment_loss(Z, {}, A, Y) == 0


@pytest.mark.parametrize("pair_norm", ["first", "min"])
@pytest.mark.parametrize("names", NAMES[1:])
def test_disentanglement(x64, names, pair_norm):
    Z, W, _, _ = batch()
    got = loss.disentanglement_loss(Z, some(W, *names), pair_norm=pair_norm)
    expected = reference.disentanglement(Z, some(W, *names), pair_norm)
    np.testing.assert_allclose(got, expected, rtol=1e-11)


@pytest.mark.parametrize("names", NAMES[1:])
def test_disentanglement_original(x64, names):
    Z, W, _, _ = batch()
    got = loss.disentanglement_loss_original(Z, some(W, *names))
    expected = reference.disentanglement_original(Z, some(W, *names))
    np.testing.assert_allclose(got, expected, rtol=1e-11)


def test_disentanglement_of_one_quantity_is_zero():
    Z, W, _, _ = jax.tree.map(np.float32, batch())
    assert loss.disentanglement_loss(Z, some(W, "p")) == 0
    assert loss.disentanglement_loss_original(Z, {}) == 0


def test_disentanglement_of_two_copies_is_one(x64):
    Z, W, _, _ = batch(B=1000)
    Z = Z - Z.mean(axis=0)
    Z = Z @ np.linalg.inv(np.linalg.cholesky(Z.T @ Z / len(Z))).T
    got = loss.disentanglement_loss(Z, {"a": W["p"], "b": W["p"]})
    np.testing.assert_allclose(got, (1 - 1 / 1000) ** 2, rtol=1e-6)


def test_a_constant_column_contributes_nothing(x64):
    """Neither to the value nor to the gradient."""
    Z, _, _, _ = batch()
    e = np.eye(9)
    Z[:, 0] = 5.0
    bases = {"a": e[:2], "b": e[2:4]}
    got = loss.disentanglement_loss(Z, bases)
    np.testing.assert_allclose(got, reference.disentanglement(Z, bases), rtol=1e-11)
    gradient = np.asarray(jax.grad(loss.disentanglement_loss)(Z, bases))
    assert not gradient[:, 0].any()
    assert gradient[:, 1:4].any()


def combined_disentanglement(Z, W, where=None):
    A = {q: np.ones((len(w), 1), np.float32) for q, w in W.items()}
    options = {"n_dir": 2, "return_terms": True, "where": where}
    _, terms = loss.combined_loss(Z, W, A, dict.fromkeys(W, Z[:, :1]), None, **options)
    return terms["disentanglement"]


ALONE = (loss.disentanglement_loss, loss.disentanglement_loss_original)


@pytest.mark.parametrize(
    ("function", "B"),
    [*itertools.product(ALONE, (37, 41, 100)), (combined_disentanglement, 37)],
)
def test_rounding_of_a_mean_is_no_correlation(function, B):
    """The mean of equal numbers may be off by a bit, which a vanishing deviation blows up."""
    Z = batch(B)[0].astype(np.float32)
    e = np.eye(9, dtype=np.float32)
    bases = {"a": e[:2], "b": e[2:4]}
    values, masked = [], []
    for constant in (0.0, 0.1, 1234.567):
        Z[:, [0, 2]] = constant
        values.append(function(Z, bases))
        masked.append(function(Z, bases, where=np.arange(B) % 3 > 0))
    np.testing.assert_allclose(values, values[0], rtol=1e-5)
    np.testing.assert_allclose(masked, masked[0], rtol=1e-5)


@pytest.mark.parametrize("solver", ["auto", "svd", "eigen", linalg.LowRank(9, n_iter=1)], ids=str)
@pytest.mark.parametrize(("B", "n_dir"), [(20, 3), (20, 32), (5, 32)])
def test_isotropy(x64, B, n_dir, solver):
    Z, W, _, _ = batch(B)
    got = loss.isotropy_loss(Z, W, n_dir, solver=solver)
    np.testing.assert_allclose(got, reference.isotropy(Z, W, n_dir), rtol=1e-6)


def test_isotropy_of_an_even_rest(x64):
    """It counts the zeros of a rest of rank r: m / r - 1."""
    e = np.eye(8)
    Z = np.concatenate([e, -e])
    W = {"a": e[:2], "b": e[2:3]}
    np.testing.assert_allclose(loss.isotropy_loss(Z, W), 8 / 5 - 1, rtol=1e-6)
    np.testing.assert_allclose(loss.isotropy_loss(Z, W, 5), 0, atol=1e-14)


TERMS = ("alignment", "disentanglement", "isotropy", "stability")


@pytest.mark.parametrize("metric", ["basis", "projector"])
@pytest.mark.parametrize("pair_norm", ["first", "min"])
def test_combined(x64, metric, pair_norm):
    Z, W, A, Y = batch()
    W_prev = batch(seed=1)[1]
    weights = {"alignment": 2.0, "isotropy": jnp.asarray(0.25), "stability": np.float32(3)}
    options = {"n_dir": 5, "metric": metric, "pair_norm": pair_norm}
    total, terms = loss.combined_loss(
        Z, W, A, Y, W_prev, weights=weights, return_terms=True, **options
    )
    expected = {
        "alignment": reference.alignment(Z, W, A, Y),
        "disentanglement": reference.disentanglement(Z, W, pair_norm),
        "isotropy": reference.isotropy(Z, W, 5),
        "stability": reference.stability(W, W_prev, metric),
    }
    assert sorted(terms) == list(TERMS)
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-9)
    weighted = sum(float(weights.get(name, 1)) * value for name, value in expected.items())
    np.testing.assert_allclose(total, weighted, rtol=1e-9)
    plain = loss.combined_loss(Z, W, A, Y, W_prev, **options)
    np.testing.assert_allclose(plain, sum(expected.values()), rtol=1e-9)
    assert plain.shape == ()


def test_weights_may_be_traced_and_integers():
    Z, W, A, Y = jax.tree.map(np.float32, batch())

    def total(weight):
        weights = {"alignment": weight, "disentanglement": 2, "isotropy": jnp.int32(3)}
        return loss.combined_loss(Z, W, A, Y, None, weights=weights)

    weight = jnp.float32(0.5)
    np.testing.assert_allclose(jax.jit(total)(weight), total(0.5), rtol=1e-6)
    term = loss.alignment_loss(Z, W, A, Y)
    np.testing.assert_allclose(jax.grad(total)(weight), term, rtol=1e-5)


def test_gradients_by_differences(x64):
    Z, W, A, Y = batch(B=7, D=8)
    W_prev = batch(seed=1, D=8)[1]

    def combined(Z, W, A):
        return loss.combined_loss(Z, W, A, Y, W_prev, n_dir=3, metric="projector")

    check_grads(jax.jit(combined), (Z, W, A), order=1, modes=["fwd", "rev"], rtol=1e-5)
    original = jax.jit(loss.disentanglement_loss_original)
    check_grads(original, (Z, W), order=1, modes=["rev"], rtol=1e-5)
    alone = jax.jit(loss.disentanglement_loss)
    check_grads(alone, (Z, W), order=2, modes=["fwd", "rev"], rtol=1e-4)
    by_rows = jax.jit(lambda Z: loss.disentanglement_loss(Z, W, where=np.arange(len(Z)) % 3 > 0))
    check_grads(by_rows, (Z,), order=2, modes=["fwd", "rev"], rtol=1e-4)


def test_disentanglement_of_one_quantity_has_the_dtype_of_several(x64):
    Z, W, *_ = batch()
    for names in (("p",), ("p", "u")):
        got = loss.disentanglement_loss(Z.astype(np.float32), some(W, *names))
        assert (got.dtype, got.shape) == (jnp.float64, ())


@pytest.mark.parametrize("offset", [1.0, 100.0, 1e5])
@pytest.mark.parametrize("B", [7, 64, 1000])
def test_a_collapsed_batch_has_no_gradient(B, offset):
    """What rounding leaves of the mean of equal rows is no deviation."""
    rng = np.random.default_rng(0)
    Z = np.tile((offset * rng.normal(size=9)).astype(np.float32), (B, 1))
    bases = np.linalg.qr(rng.normal(size=(9, 6)))[0].T.astype(np.float32)
    value, gradient = jax.value_and_grad(loss.disentanglement_loss)(
        Z, {"a": bases[:3], "b": bases[3:]}
    )
    assert value == 0
    assert not np.any(gradient)

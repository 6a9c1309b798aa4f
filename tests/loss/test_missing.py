"""Samples that lack quantities: every quantity has the numbers of its own rows alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spacelearn_jax as sj
from spacelearn_jax.loss import alignment_loss, disentanglement_loss, isotropy_loss
from spacelearn_jax.optim import fit_decoders, k_per_q, optimal_bins
from spacelearn_jax.training import track_subspaces

B, D = 20, 5
NAMES = ("a", "b", "c")
WHERE = {
    "a": np.arange(B) % 3 != 0,
    "b": np.arange(B) < 14,
    "c": np.isin(np.arange(B), (0, 3, 18, 19), invert=True),
}
ANY = WHERE["a"] | WHERE["b"] | WHERE["c"]
assert not ANY.all()  # so that a row without any quantity is tested too


def clean():
    keys = jax.random.split(jax.random.key(1), 3)
    Z = jax.random.normal(keys[0], (B, D))
    Y = {
        "a": jnp.stack([Z[:, 0], Z[:, 1] ** 2, Z[:, 0] * Z[:, 2]], axis=1),
        "b": Z[:, 3] + 0.1 * jax.random.normal(keys[1], (B,)),
        "c": jax.random.normal(keys[2], (B, 2, 4)) + Z[:, :1, None],
    }
    return Z, Y


def spoilt():
    """Returns the batch with NaN wherever a mask hides something."""
    Z, Y = clean()
    Z = Z.at[~ANY].set(jnp.nan)
    return Z, {q: y.at[~WHERE[q]].set(jnp.nan) for q, y in Y.items()}


def kept(q):
    Z, Y = clean()
    return Z[WHERE[q]], {q: Y[q][WHERE[q]]}


def close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=atol), a, b)


def a_space():
    return sj.solve_subspaces(*clean(), k=2)


def put_back(gradient, mask):
    return jnp.zeros((B, *gradient.shape[1:]), gradient.dtype).at[mask].set(gradient)


def test_alignment_has_the_values_and_gradients_of_the_kept_rows():
    space = a_space()
    Z, Y = spoilt()
    parts = alignment_loss(Z, space.W, space.A, Y, where=WHERE, reduction="none")
    slopes = jax.jacrev(
        lambda Z: alignment_loss(Z, space.W, space.A, Y, where=WHERE, reduction="none")
    )(Z)
    for q in NAMES:
        z, y = kept(q)
        wanted, slope = jax.value_and_grad(
            lambda z, y=y, q=q: alignment_loss(z, {q: space.W[q]}, space.A, y)
        )(z)
        close(parts[q], wanted)
        close(slopes[q], put_back(slope, WHERE[q]))


def test_alignment_has_the_gradients_of_targets_and_decoders():
    space = a_space()
    Z, Y = spoilt()
    got = jax.grad(lambda A, Y: alignment_loss(Z, space.W, A, Y, where=WHERE), argnums=(0, 1))(
        dict(space.A), Y
    )
    for q in NAMES:
        z, y = kept(q)
        wanted = jax.grad(
            lambda A, Y, z=z, q=q: alignment_loss(z, {q: space.W[q]}, A, Y), argnums=(0, 1)
        )({q: space.A[q]}, y)
        close(got[0][q], wanted[0][q] / len(NAMES))
        close(got[1][q], put_back(wanted[1][q], WHERE[q]) / len(NAMES))


@pytest.mark.parametrize("loss", [disentanglement_loss, isotropy_loss])
def test_losses_of_latents_see_the_rows_with_any_quantity(loss):
    W = a_space().W
    got = jax.value_and_grad(lambda Z: loss(Z, W, where=WHERE))(spoilt()[0])
    value, slope = jax.value_and_grad(lambda Z: loss(Z, W))(clean()[0][ANY])
    close(got, (value, put_back(slope, ANY)))


@pytest.mark.parametrize("loss", [disentanglement_loss, isotropy_loss])
def test_tangents_of_the_other_rows_reach_nothing(loss):
    W = {q: jnp.eye(D)[i : i + 1] for i, q in enumerate(NAMES)}
    Z = spoilt()[0]  # with NaN, which the tangents of a network have as well then
    _, got = jax.jvp(lambda Z: loss(Z, W, where=WHERE), (Z,), (Z**3,))
    _, slope = jax.jvp(lambda Z: loss(Z, W), (Z[ANY],), (Z[ANY] ** 3,))
    close(got, slope)
    assert slope != 0


def test_combined_loss_is_the_sum_of_its_terms():
    space = a_space()
    Z, Y = spoilt()

    def total(Z):
        return sj.combined_loss(
            Z, space.W, space.A, Y, None, n_dir=4, where=WHERE, return_terms=True
        )

    (value, terms), slope = jax.value_and_grad(total, has_aux=True)(Z)
    wanted = {
        "alignment": lambda Z: alignment_loss(Z, space.W, space.A, Y, where=WHERE),
        "disentanglement": lambda Z: disentanglement_loss(Z, space.W, where=WHERE),
        "isotropy": lambda Z: isotropy_loss(Z, space.W, 4, where=WHERE),
    }
    close({name: terms[name] for name in wanted}, {n: f(Z) for n, f in wanted.items()})
    close(value, sum(f(Z) for f in wanted.values()))
    close(slope, sum(jax.grad(f)(Z) for f in wanted.values()))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", ["subspaces", "principal_directions", "fit_decoders"])
def test_solves_are_those_of_the_kept_rows(name):
    W = a_space().W
    solve = {
        "subspaces": lambda Z, Y, **o: sj.subspaces(Z, Y, 2, **o),
        "principal_directions": sj.principal_directions,
        "fit_decoders": lambda Z, Y, **o: fit_decoders({q: W[q] for q in Y}, Z, Y, **o),
    }[name]
    got = solve(*spoilt(), where=WHERE)
    for q in NAMES:
        close(got[q], solve(*kept(q))[q], atol=1e-4)


def test_a_space_of_missing_quantities_decodes_as_the_spaces_of_the_kept_rows():
    space = sj.solve_subspaces(*spoilt(), k=2, where=WHERE)
    Z = clean()[0]
    close(space.z_mean, Z[ANY].mean(axis=0))
    for q in NAMES:
        alone = sj.solve_subspaces(*kept(q), k=2)
        for got, wanted in zip(space[q], alone[q], strict=True):
            close(got, wanted, atol=1e-4)
        close(space.decode(Z, [q]), alone.decode(Z), atol=1e-4)


def fields():
    """Fields of few modes, and what masks leave of them."""
    t = np.linspace(0, 6, 16)
    rng = np.random.default_rng(0)
    Y = {
        "a": rng.normal(size=(B, 2)) @ np.stack([np.sin(t), np.cos(t)]),
        "b": rng.normal(size=(B, 16)),
        "c": rng.normal(size=(B, 7)) @ rng.normal(size=(7, 16)),
    }
    Y = {q: jnp.asarray(y.reshape(B, 1, 4, 4), jnp.float32) for q, y in Y.items()}
    return Y, {q: y.at[~WHERE[q]].set(jnp.nan) for q, y in Y.items()}


def test_sizes_are_those_of_the_kept_rows():
    Y, bad = fields()
    sizes = k_per_q(bad, 0.99, where=WHERE)
    bins = optimal_bins(bad, 8, 0.99, per_quantity=True, where=WHERE)
    dims = sj.solve_dims(bad, 4, 0.9, 0.9, pool_per_quantity=True, k_per_quantity=True, where=WHERE)
    for q in NAMES:
        y = {q: Y[q][WHERE[q]]}
        assert sizes[q] == k_per_q(y, 0.99)[q]
        assert bins[q] == optimal_bins(y, 8, 0.99)
        assert dims[q] == sj.solve_dims(y, 4, 0.9, 0.9)[q]
    assert len(set(sizes.values())) > 1


def test_full_masks_are_no_masks():
    Z, Y = clean()
    full = dict.fromkeys(NAMES, np.ones(B, bool))
    space, other = sj.solve_subspaces(Z, Y, k=2), sj.solve_subspaces(Z, Y, k=2, where=full)
    close(other.decode(Z), space.decode(Z), atol=1e-4)
    close(
        sj.combined_loss(Z, space.W, space.A, Y, None, where=full),
        sj.combined_loss(Z, space.W, space.A, Y, None),
    )


def test_a_quantity_that_no_sample_has_stays_finite():
    Z, Y = spoilt()
    where = WHERE | {"b": np.zeros(B, bool)}
    Y = Y | {"b": jnp.full_like(Y["b"], jnp.nan)}
    W, A = a_space().W, a_space().A

    def loss(Z):
        return alignment_loss(Z, W, A, Y, where=where, reduction="none")

    value, slope = loss(Z), jax.jacrev(loss)(Z)
    assert value["b"] == 0
    assert not np.any(slope["b"])
    close((value["a"], slope["a"]), (loss(Z)["a"], jax.jacrev(loss)(Z)["a"]))
    assert np.isfinite(slope["a"]).all()


def test_masks_under_jit_and_vmap():
    space = a_space()
    Z, Y = spoilt()

    def loss(Z, Y, where):
        return sj.combined_loss(Z, space.W, space.A, Y, None, n_dir=3, where=where)

    where = {q: jnp.asarray(m) for q, m in WHERE.items()}
    plain = loss(Z, Y, where)
    close(jax.jit(loss)(Z, Y, where), plain)
    twice = jax.tree.map(lambda x: jnp.stack([x, x]), (Z, Y, where))
    close(jax.vmap(loss)(*twice), jnp.stack([plain, plain]))


CALLS = {
    "alignment_loss": lambda Z, Y, s, w: alignment_loss(Z, s.W, s.A, Y, where=w),
    "combined_loss": lambda Z, Y, s, w: sj.combined_loss(Z, s.W, s.A, Y, None, where=w),
    "disentanglement_loss": lambda Z, Y, s, w: disentanglement_loss(Z, s.W, where=w),
    "isotropy_loss": lambda Z, Y, s, w: isotropy_loss(Z, s.W, where=w),
    "solve_subspaces": lambda Z, Y, s, w: sj.solve_subspaces(Z, Y, where=w),
    "subspaces": lambda Z, Y, s, w: sj.subspaces(Z, Y, 2, where=w),
    "principal_directions": lambda Z, Y, s, w: sj.principal_directions(Z, Y, where=w),
    "fit_decoders": lambda Z, Y, s, w: fit_decoders(s.W, Z, Y, where=w),
    "k_per_q": lambda Z, Y, s, w: k_per_q(Y, where=w),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (("b", None), TypeError, r"where\['b'\] must be a \(B,\) bool array, got None"),
        (("b", np.ones(B)), TypeError, r"where\['b'\] must be of dtype bool, got float"),
        (("b", np.ones(3, bool)), ValueError, r"where\['b'\] must be of shape \(B,\) = \(20,\)"),
        (("b",), ValueError, "where must be a mapping that holds 'b'"),
    ],
)
def test_errors(name, change, kind, message):
    where = dict(WHERE)
    where.pop("b")
    if len(change) == 2:
        where |= [change]
    with pytest.raises(kind, match=f"^{name}: {message}"):
        CALLS[name](*clean(), a_space(), where)


def test_no_bases_and_no_masks_give_nothing():
    Z, _ = clean()
    for where in ({}, WHERE):
        assert float(alignment_loss(Z, {}, {}, {}, where=where)) == 0
        assert float(disentanglement_loss(Z, {}, where=where)) == 0


def test_rows_of_any_quantity_have_no_name_of_their_own():
    Z = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    unnamed = Z, {"": Z}
    where = {"": np.ones(6, bool)}
    for name, call in (
        ("SubspaceTracker.init", lambda: track_subspaces(1).init(*unnamed, where=where)),
        ("fit_decoders", lambda: fit_decoders({"": Z[:1]}, *unnamed, where=where, ridge=1.0)),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: Y\[''\] must be named"):
            call()

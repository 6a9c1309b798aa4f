"""What doesn't change when rows are permuted, or the spaces rotated, shifted or scaled."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import spacelearn_jax as sl
from spacelearn_jax import linalg, loss, optim

from .cases import Batch, assert_close, batches, in_x64, losses, projectors, quick, rotation, sizes

# A solved basis is as well determined as its singular values are apart.
SOLVED = {"rtol": 1e-6, "atol": 1e-8}


def solved(batch: Batch) -> dict:
    """Everything that is solved from a batch, in a form that doesn't depend on signs."""
    space = sl.solve_subspaces(batch.Z, batch.Y, k=batch.k)
    pairs = sl.principal_directions(batch.Z, batch.Y)
    return {
        "projectors": projectors(sl.subspaces(batch.Z, batch.Y, batch.k)),
        "directions": {q: np.abs(w) for q, (w, _) in pairs.items()},
        "V": {q: np.abs(v) for q, (_, v) in pairs.items()},
        "fit": optim.fit_decoders(batch.W, batch.Z, batch.Y),
        "z_mean": space.z_mean,
        "y_mean": space.y_mean,
    }


@quick
@given(batches(shapes=1))
@in_x64
def test_order_of_rows(batch):
    order = batch.rng.permutation(len(batch.Z))
    moved = batch._replace(Z=batch.Z[order], Y={q: y[order] for q, y in batch.Y.items()})
    assert_close(losses(moved), losses(batch))
    assert_close(solved(moved), solved(batch), **SOLVED)
    assert sizes(moved) == sizes(batch)
    space, again = (sl.solve_subspaces(x.Z, x.Y, k=x.k) for x in (batch, moved))
    assert_close(again.decode(batch.Z), space.decode(batch.Z), **SOLVED)


@quick
@given(batches())
@in_x64
def test_rotation_of_the_latent_space(batch):
    Q = rotation(batch.rng, batch.Z.shape[1])
    turned = batch._replace(Z=batch.Z @ Q, W={q: w @ Q for q, w in batch.W.items()})
    assert_close(losses(turned), losses(batch))
    assert_close(
        optim.fit_decoders(turned.W, turned.Z, turned.Y),
        optim.fit_decoders(batch.W, batch.Z, batch.Y),
        **SOLVED,
    )
    W, W_turned = (sl.subspaces(x.Z, x.Y, x.k) for x in (batch, turned))
    turned_projectors = {q: Q.T @ P @ Q for q, P in projectors(W).items()}
    assert_close(projectors(W_turned), turned_projectors, **SOLVED)
    space, again = (sl.solve_subspaces(x.Z, x.Y, k=x.k) for x in (batch, turned))
    assert_close(again.decode(turned.Z), space.decode(batch.Z), **SOLVED)

    other = {q: rotation(batch.rng, w.shape[1])[: len(w)] for q, w in batch.W.items()}
    other_turned = {q: w @ Q for q, w in other.items()}
    for metric in ("basis", "projector"):
        assert_close(
            loss.stability_loss(turned.W, other_turned, metric=metric),
            loss.stability_loss(batch.W, other, metric=metric),
        )
    for q in W:
        assert_close(
            linalg.principal_angles(turned.W[q], other_turned[q]),
            linalg.principal_angles(batch.W[q], other[q]),
        )
        assert_close(
            optim.subspace_change(turned.W[q], other_turned[q]),
            optim.subspace_change(batch.W[q], other[q]),
        )


@quick
@given(batches(shapes=1))
@in_x64
def test_shift_of_latents_and_targets(batch):
    by = 10.0 * batch.rng.standard_normal(batch.Z.shape[1])
    y_by = {q: 10.0 * batch.rng.standard_normal(y.shape[1:]) for q, y in batch.Y.items()}
    moved = batch._replace(Z=batch.Z + by, Y={q: y + y_by[q] for q, y in batch.Y.items()})
    assert_close(losses(moved), losses(batch), rtol=1e-8)
    assert sizes(moved) == sizes(batch)
    before, after = solved(batch), solved(moved)
    assert_close(after.pop("z_mean"), np.asarray(before.pop("z_mean")) + by)
    y_mean = {q: np.asarray(y) + y_by[q].ravel() for q, y in before.pop("y_mean").items()}
    assert_close(after.pop("y_mean"), y_mean)
    assert_close(after, before, **SOLVED)
    space, again = (sl.solve_subspaces(x.Z, x.Y, k=x.k) for x in (batch, moved))
    decoded = {q: np.asarray(y) + y_by[q] for q, y in space.decode(batch.Z).items()}
    assert_close(again.decode(moved.Z), decoded, **SOLVED)


@quick
@given(batches(), st.floats(-3, 3))
@in_x64
def test_scale_of_targets(batch, exponent):
    """Alignment is quadratic in the units of targets; subspaces don't know them."""
    s = 10.0**exponent
    scaled = batch._replace(
        Y={q: s * y for q, y in batch.Y.items()}, A={q: s * a for q, a in batch.A.items()}
    )
    before, after = losses(batch), losses(scaled)
    before["alignment"] *= s**2
    assert_close(after, before)
    W, W_scaled = (sl.subspaces(x.Z, x.Y, x.k) for x in (batch, scaled))
    assert_close(projectors(W_scaled), projectors(W), **SOLVED)
    fit = {q: s * a for q, a in optim.fit_decoders(batch.W, batch.Z, batch.Y).items()}
    assert_close(optim.fit_decoders(scaled.W, scaled.Z, scaled.Y), fit, **SOLVED)


@quick
@given(batches(), st.integers(-12, 12), st.sampled_from([np.float32, np.float64]))
@in_x64
def test_sizes_do_not_know_units(batch, exponent, dtype):
    """Not for targets of 1e-12 either, in float32."""
    scaled = {q: (10.0**exponent * y).astype(dtype) for q, y in batch.Y.items()}
    assert sizes(batch._replace(Y=scaled)) == sizes(batch)


@quick
@given(batches(), st.floats(0, 4))
@in_x64
def test_scale_of_latents(batch, exponent):
    """Up to the epsilon of 1e-8 that the original adds to deviations and means."""
    scaled = batch._replace(Z=10.0**exponent * batch.Z)
    before, after = losses(batch), losses(scaled)
    for name in ("disentanglement", "original", "isotropy"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-5, atol=1e-7)
    W, W_scaled = (sl.subspaces(x.Z, x.Y, x.k) for x in (batch, scaled))
    assert_close(projectors(W_scaled), projectors(W), **SOLVED)


@quick
@given(batches())
@in_x64
def test_rotation_inside_the_subspaces(batch):
    R = {q: rotation(batch.rng, len(w)) for q, w in batch.W.items()}
    turned = batch._replace(
        W={q: R[q] @ w for q, w in batch.W.items()}, A={q: R[q] @ a for q, a in batch.A.items()}
    )
    before, after = losses(batch), losses(turned)
    for name in ("alignment", "isotropy"):
        assert_close(after[name], before[name])
    other = {q: rotation(batch.rng, w.shape[1])[: len(w)] for q, w in batch.W.items()}
    assert_close(
        loss.stability_loss(turned.W, other, metric="projector"),
        loss.stability_loss(batch.W, other, metric="projector"),
    )
    assert loss.stability_loss(turned.W, batch.W, metric="projector") < 1e-28
    for q, w in batch.W.items():
        angles = linalg.principal_angles(turned.W[q], other[q])
        assert_close(angles, linalg.principal_angles(w, other[q]))
        assert np.max(linalg.principal_angles(turned.W[q], w)) < 1e-14

    flat = {q: y.reshape(len(y), -1).mean(axis=0) for q, y in batch.Y.items()}
    shapes = {q: y.shape[1:] for q, y in batch.Y.items()}
    spaces = (
        sl.Space(x.W, x.A, flat, z_mean=x.Z.mean(axis=0), y_mean=flat, target_shapes=shapes)
        for x in (batch, turned)
    )
    decoded, again = (space.decode(batch.Z) for space in spaces)
    assert_close(again, decoded)


@quick
@given(batches())
@in_x64
def test_disentanglement_does_not_know_names(batch):
    """With the smaller k in the denominator; the original's rule does know them."""
    expected = loss.disentanglement_loss(batch.Z, batch.W, pair_norm="min")
    for names in itertools.permutations("xyz"):
        renamed = dict(zip(names, batch.W.values(), strict=True))
        got = loss.disentanglement_loss(batch.Z, renamed, pair_norm="min")
        assert_close(got, expected)


@quick
@given(batches(shapes=1))
@in_x64
def test_insertion_order(batch):
    backwards = batch._replace(
        **{field: dict(reversed(getattr(batch, field).items())) for field in ("Y", "W", "A")}
    )
    assert_close(losses(backwards), losses(batch), rtol=0, atol=0)
    assert_close(solved(backwards), solved(batch), rtol=0, atol=0)

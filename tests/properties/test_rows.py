"""Rows that are masked, repeated or split."""

import jax
import numpy as np
from hypothesis import given

import spacelearn_jax as sl
from spacelearn_jax import loss, optim

from .cases import Batch, assert_close, batches, in_x64, losses, projectors, quick, sizes

SOLVED = {"rtol": 1e-6, "atol": 1e-8}


def padded(batch: Batch, rows: int) -> tuple[Batch, np.ndarray]:
    """Mixes rows of NaN and infinities into a batch, and says which rows are real."""
    junk = np.where(np.arange(rows) % 2, np.nan, np.inf)

    def pad(x: np.ndarray) -> np.ndarray:
        shape = (rows, *x.shape[1:])
        bad = np.broadcast_to(junk.reshape((-1,) + (1,) * (x.ndim - 1)), shape)
        return np.concatenate([bad, x])[order]

    order = batch.rng.permutation(rows + len(batch.Z))
    where = (np.arange(rows + len(batch.Z)) >= rows)[order]
    Z, Y = pad(batch.Z), {q: pad(y) for q, y in batch.Y.items()}
    return batch._replace(Z=Z, Y=Y), where


@quick
@given(batches(shapes=1))
@in_x64
def test_masked_rows_do_not_exist(batch):
    mixed, where = padded(batch, 5)
    # The mask keeps the order of rows of a permuted batch.
    alone = batch._replace(Z=mixed.Z[where], Y={q: y[where] for q, y in mixed.Y.items()})
    assert_close(losses(mixed, where), losses(alone))
    assert sizes(mixed, where) == sizes(alone)
    space = sl.solve_subspaces(mixed.Z, mixed.Y, k=batch.k, where=where)
    expected = sl.solve_subspaces(alone.Z, alone.Y, k=batch.k)
    assert_close(projectors(space.W), projectors(expected.W), **SOLVED)
    assert_close(space.decode(alone.Z), expected.decode(alone.Z), **SOLVED)
    assert_close(
        optim.fit_decoders(batch.W, mixed.Z, mixed.Y, where=where),
        optim.fit_decoders(batch.W, alone.Z, alone.Y),
        **SOLVED,
    )


@quick
@given(batches(shapes=1))
@in_x64
def test_masked_rows_have_no_gradient(batch):
    mixed, where = padded(batch, 5)
    alone = batch._replace(Z=mixed.Z[where], Y={q: y[where] for q, y in mixed.Y.items()})
    weights = batch.rng.uniform(0.5, 2.0, 4).tolist()

    def total(Z: jax.Array, of: Batch, where: np.ndarray | None) -> jax.Array:
        terms = losses(of._replace(Z=Z), where).values()
        return sum(w * term for w, term in zip(weights, terms, strict=True))

    got = np.asarray(jax.grad(total)(mixed.Z, mixed, where))
    expected = jax.grad(total)(alone.Z, alone, None)
    assert not got[~where].any()
    np.testing.assert_allclose(got[where], expected, rtol=1e-7, atol=1e-9)


@quick
@given(batches())
@in_x64
def test_every_row_twice(batch):
    """Means don't change, and nor does what is solved."""
    twice = batch._replace(
        Z=np.tile(batch.Z, (2, 1)),
        Y={q: np.concatenate([y, y]) for q, y in batch.Y.items()},
    )
    before, after = losses(batch), losses(twice)
    for name in ("alignment", "isotropy"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-8)
    space, again = (sl.solve_subspaces(x.Z, x.Y, k=x.k) for x in (batch, twice))
    assert_close(projectors(again.W), projectors(space.W), **SOLVED)
    assert_close(again.decode(batch.Z), space.decode(batch.Z), **SOLVED)


@quick
@given(batches())
@in_x64
def test_combined_is_the_weighted_sum(batch):
    Z, Y, W, A, rng = batch
    weights = dict(zip(("alignment", "isotropy"), rng.uniform(0, 2, 2).tolist(), strict=True))
    total, terms = sl.combined_loss(Z, W, A, Y, None, n_dir=4, weights=weights, return_terms=True)
    alone = losses(batch)
    assert terms["stability"] == 0
    for name in ("alignment", "disentanglement", "isotropy"):
        assert_close(terms[name], alone[name])
    expected = sum(weights.get(name, 1.0) * float(term) for name, term in terms.items())
    np.testing.assert_allclose(total, expected, rtol=1e-12)
    plain = sl.combined_loss(Z, W, A, Y, None, n_dir=4)
    np.testing.assert_allclose(plain, sum(map(float, terms.values())), rtol=1e-12)
    with_prev = sl.combined_loss(Z, W, A, Y, {q: -w for q, w in W.items()}, n_dir=4)
    np.testing.assert_allclose(
        with_prev - plain, loss.stability_loss(W, {q: -w for q, w in W.items()}), rtol=1e-9
    )

"""What is solved is the best that there is."""

import numpy as np
from hypothesis import given

import spacelearn_jax as sl
from spacelearn_jax import optim

from .cases import assert_close, batches, in_x64, quick, rotation


def centred(x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1)
    return x - x.mean(axis=0)


@quick
@given(batches())
@in_x64
def test_subspaces_carry_the_most_covariance(batch):
    Zc = centred(batch.Z)
    W = sl.subspaces(batch.Z, batch.Y, batch.k)
    for q, y in batch.Y.items():
        C = Zc.T @ centred(y)
        k = min(batch.k[q], *C.shape)
        carried = np.sum((np.asarray(W[q]) @ C) ** 2)
        s = np.linalg.svd(C, compute_uv=False)
        np.testing.assert_allclose(carried, np.sum(s[:k] ** 2), rtol=1e-10)
        for _ in range(5):
            other = rotation(batch.rng, len(C))[:k]
            assert np.sum((other @ C) ** 2) <= carried * (1 + 1e-12)


@quick
@given(batches())
@in_x64
def test_principal_directions_carry_the_most_covariance(batch):
    Zc = centred(batch.Z)
    for q, (w, v) in sl.principal_directions(batch.Z, batch.Y).items():
        C = Zc.T @ centred(batch.Y[q])
        top = np.linalg.norm(C, 2)
        np.testing.assert_allclose(np.asarray(w) @ C @ np.asarray(v), top, rtol=1e-7)


@quick
@given(batches())
@in_x64
def test_decoding_is_the_best_linear_prediction(batch):
    """The normal equations: nothing of what is left can be read from the coordinates."""
    space = sl.solve_subspaces(batch.Z, batch.Y, k=batch.k)
    decoded, coordinates = space.decode(batch.Z), space.coordinates(batch.Z)
    for q, y in batch.Y.items():
        assert decoded[q].shape == y.shape
        S = np.asarray(coordinates[q])
        rest = (y - np.asarray(decoded[q])).reshape(len(y), -1)
        scale = np.linalg.norm(S) * np.linalg.norm(centred(y))
        assert np.abs(S.T @ rest).max() < 1e-11 * scale
        assert np.abs(rest.mean(axis=0)).max() < 1e-12 * (1 + np.abs(y).max())
        # A constant is the prediction of a subspace of no dimension.
        assert np.sum(rest**2) <= np.sum(centred(y) ** 2) * (1 + 1e-12)


@quick
@given(batches())
@in_x64
def test_fitting_again_changes_nothing(batch):
    """Decoders of a space are those that fit_decoders finds for its bases."""
    space = sl.solve_subspaces(batch.Z, batch.Y, k=batch.k)
    assert_close(optim.fit_decoders(space.W, batch.Z, batch.Y), space.A, rtol=1e-8)
    exact = {q: y.reshape(len(y), -1) for q, y in space.decode(batch.Z).items()}
    again = optim.fit_decoders(space.W, batch.Z, exact)
    A = {q: np.reshape(a, (batch.k[q], -1)) for q, a in space.A.items()}
    assert_close(again, A, rtol=1e-7, atol=1e-9)

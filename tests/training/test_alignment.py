"""A refresh moves a subspace, never the basis within it."""

import jax
import numpy as np
import pytest

from spacelearn_jax._moments import procrustes
from spacelearn_jax.training import track_subspaces

from .batches import K, assert_same_space, decoded, mixed, run, with_covariance

ON = track_subspaces(K, every=1, decay=0.9)
OFF = track_subspaces(K, every=1, decay=0.9, align=False)
# Only the last batch counts, so that it alone determines the moments.
ON_LAST = track_subspaces(2, every=1, decay=0.0)
OFF_LAST = track_subspaces(2, every=1, decay=0.0, align=False)


def test_a_refresh_on_identical_moments_changes_nothing():
    state = run(ON, [mixed(0)] * 2)
    after = ON.update(*mixed(0), state)
    assert int(after.refreshes) == 3
    assert_same_space(after.space, state.space, 1e-6)
    assert float(after.drift) < 1e-11


def covariance(left, turn, s):
    """Returns the rank 2 cross-covariance of two left vectors, turned within their plane."""
    c, d = np.cos(turn), np.sin(turn)
    U = np.stack(left, axis=1) @ np.array([[c, -d], [d, c]])
    return {"p": U * s}


def plane(tilt):
    first = np.array([tilt, 1.0, 0, 0, 0, 0])
    second = np.array([0, 0, tilt, 1.0, 0, 0])
    return [v / np.linalg.norm(v) for v in (first, second)]


SLIGHT = {
    # The first entry of the leading vector changes its sign, by which signs are chosen.
    "sign": [(plane(1e-3), 0.0, (3.0, 1.0)), (plane(-1e-3), 0.0, (3.0, 1.0))],
    # The order of two nearly equal singular values changes.
    "order": [(plane(0.1), 0.0, (1.001, 1.0)), (plane(0.1), 0.0, (1.0, 1.001))],
    # Nearly equal singular values leave the vectors free to turn.
    "turn": [(plane(0.1), 0.0, (1.001, 1.0)), (plane(0.1), 0.7, (1.001, 1.0))],
}


@pytest.mark.parametrize("case", SLIGHT)
def test_slightly_other_moments_change_the_basis_slightly(case):
    before, after = (with_covariance(covariance(*args)) for args in SLIGHT[case])
    state = ON_LAST.init(*before)
    change = ON_LAST.update(*after, state).space.W["p"] - state.space.W["p"]
    jump = OFF_LAST.update(*after, state).space.W["p"] - state.space.W["p"]
    assert np.linalg.norm(change) < 6e-3
    assert np.linalg.norm(jump) > 0.5


def test_decoders_follow_the_basis():
    batches = [mixed(seed) for seed in range(4)]
    on, off = run(ON, batches).space, run(OFF, batches).space
    Z = batches[0][0]
    for q, y in decoded(on, Z).items():
        np.testing.assert_allclose(y, decoded(off, Z)[q], rtol=1e-4, atol=1e-4)
    before, after = (with_covariance(covariance(*args)) for args in SLIGHT["order"])
    state = ON_LAST.init(*before)
    on, off = (t.update(*after, state).space for t in (ON_LAST, OFF_LAST))
    assert not np.allclose(on.A["p"], off.A["p"], atol=0.1)
    y = decoded(off, after[0])["p"]
    np.testing.assert_allclose(decoded(on, after[0])["p"], y, atol=1e-5)


def test_the_aligned_basis_is_the_nearest_of_its_span(x64):
    rng = np.random.default_rng(0)
    w, near = (np.linalg.qr(rng.normal(size=(6, 3)))[0].T for _ in range(2))
    best = procrustes(jax.numpy.asarray(w), jax.numpy.asarray(near))
    np.testing.assert_allclose(best @ best.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(best.T @ best, w.T @ w, atol=1e-12)
    distance = np.linalg.norm(best - near)
    for _ in range(50):
        Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        assert np.linalg.norm(Q @ w - near) >= distance - 1e-12
    # The maximum of tr(R w near^T) over rotations R is the sum of the singular values.
    overlap = np.linalg.svd(w @ near.T)[1].sum()
    np.testing.assert_allclose(distance**2, 6 - 2 * overlap, rtol=1e-12)

"""A low rank of a cross-covariance that is never formed."""

import jax
import numpy as np
import pytest

from spacelearn_jax import linalg, principal_directions, solve_subspaces, subspaces

from ..jaxprs import equations

D, P = 60, 90
SOLVER = linalg.LowRank(4, oversample=4)


def batch(rows):
    """Returns latents, and a target of four strong directions."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(rows, D)) + 3
    strong = Z[:, :4] * [4.0, 3.0, 2.0, 1.0] @ np.linalg.qr(rng.normal(size=(P, 4)))[0].T
    return Z, {"y": strong + 1e-3 * rng.normal(size=(rows, P)) - 7}


def forms(rows):
    """Tells whether the program has a value of the cross-covariance's shape."""
    program = jax.make_jaxpr(lambda *x: subspaces(*x, k=4, solver=SOLVER))(*batch(rows))
    return any(x.aval.shape in ((D, P), (P, D)) for e in equations(program) for x in e.outvars)


def test_few_rows_take_products():
    assert not forms(50)
    assert forms(5000)


@pytest.mark.parametrize("rows", [50, 5000])
def test_either_way_gives_the_subspaces(x64, rows):
    Z, Y = batch(rows)
    C = (Z - Z.mean(0)).T @ (Y["y"] - Y["y"].mean(0))
    U = np.linalg.svd(C)[0][:, :4]
    space = solve_subspaces(Z, Y, k=4, solver=SOLVER)
    W = np.asarray(space.W["y"])
    np.testing.assert_allclose(W.T @ W, U @ U.T, atol=1e-5)
    np.testing.assert_allclose(subspaces(Z, Y, k=4, solver=SOLVER)["y"], W, atol=1e-12)
    w, v = principal_directions(Z, Y, solver=SOLVER)["y"]
    np.testing.assert_allclose(w @ C @ v, np.linalg.svd(C, compute_uv=False)[0], rtol=1e-6)


def test_the_rows_of_a_mask_alone_count(x64):
    Z, Y = batch(50)
    where = np.arange(50) % 3 > 0
    some = subspaces(Z[where], {"y": Y["y"][where]}, k=4, solver=SOLVER)["y"]
    Z[~where] = np.nan
    got = subspaces(Z, Y, k=4, solver=SOLVER, where=where)["y"]
    np.testing.assert_allclose(got, some, atol=1e-10)


def test_infinite_rows_end_as_nan():
    Z, Y = batch(50)
    Z[0, 0] = np.inf
    assert np.isnan(subspaces(Z, Y, k=4, solver=SOLVER)["y"]).any()

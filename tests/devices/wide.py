"""Latents that are split over devices by columns as well; ``test_devices.py`` starts this file.

A mesh of two by four: rows over ``data``, latent dimensions over ``model``.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks._collectives import collectives
from spacelearn_jax import combined_loss, linalg, solve_subspaces
from spacelearn_jax.loss import isotropy_loss, stability_loss

from ..contract.closeness import assert_close

B, D, K = 256, 64, 4
KINDS = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}
LOW_RANK = linalg.LowRank(8, n_iter=6)


def data(rows=B):
    """Draws latents with a steep spectrum, and targets."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(rows, D)) @ (0.9 ** np.arange(D)[:, None] * rng.normal(size=(D, D)))
    Y = {q: Z[:, i : i + 10] ** 2 + rng.normal(size=(rows, 10)) for i, q in enumerate("abc")}
    return Z, Y


def problem():
    """Returns the arguments of the losses."""
    Z, Y = data()
    space, before = (solve_subspaces(Z[i:], {q: y[i:] for q, y in Y.items()}, k=K) for i in (0, 9))
    return Z, space.W, space.A, Y, before.W


LOSSES = {
    "stability": lambda Z, W, A, Y, before: stability_loss(W, before, metric="projector"),
    "combined": lambda *inputs: combined_loss(*inputs, n_dir=8, solver=LOW_RANK),
}


def place(inputs, mesh):
    """Splits latents by rows and columns, bases by columns, targets by rows."""
    specs = (P("data", "model"), P(None, "model"), P(), P("data"), P(None, "model"))
    return tuple(
        jax.device_put(x, NamedSharding(mesh, spec))
        for x, spec in zip(inputs, specs[: len(inputs)], strict=True)
    )


def make_mesh(kind):
    return jax.make_mesh((2, 4), ("data", "model"), axis_types=(kind, kind))


def most_moved(function, *inputs):
    """Returns the numbers in the largest exchange between devices."""
    text = jax.jit(function).lower(*inputs).compile().as_text()
    return max((c.elements for c in collectives(text)), default=0)


# The combined loss is made of the others; stability alone knows nothing of the batch.
BY_KIND = [("stability", "auto"), ("combined", "auto"), ("combined", "explicit")]


@pytest.mark.parametrize(("name", "kind"), BY_KIND)
def test_losses_never_gather_wide_latents(name, kind):
    loss = LOSSES[name]
    inputs = problem()
    value, (by_Z, by_W) = jax.value_and_grad(loss, (0, 1))(*inputs)
    placed = place(inputs, make_mesh(KINDS[kind]))
    function = jax.jit(jax.value_and_grad(loss, (0, 1)))
    got, (slope, by_bases) = function(*placed)
    assert_close(got, value, multiple=1e5, floor=1e-3)
    assert_close(slope, by_Z, multiple=1e6, floor=1e-3)
    assert_close(by_bases, by_W, multiple=1e6, floor=1e-3)
    if name != "stability":
        assert slope.sharding.is_equivalent_to(placed[0].sharding, 2)
    assert most_moved(function, *placed) < B // 2 * D


def test_the_exact_isotropy_of_few_rows_never_gathers_wide_latents():
    """It takes the Gram matrix of rows, to which every device adds that of its columns."""

    def isotropy(Z, W):
        return isotropy_loss(Z, W, 8)

    Z, W, *_ = problem()
    Z = Z[: D // 4]
    placed = place((Z, W), make_mesh(AxisType.Auto))
    function = jax.jit(jax.value_and_grad(isotropy))
    assert_close(function(*placed), jax.value_and_grad(isotropy)(Z, W), multiple=1e6, floor=1e-3)
    assert most_moved(function, *placed) < len(Z) // 2 * D


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_low_rank_solve_never_gathers_wide_latents(kind):
    def solve(Z, Y):
        return solve_subspaces(Z, Y, k=K, solver=LOW_RANK)

    Z, Y = data()
    expected = solve(Z, Y)
    mesh = make_mesh(kind)
    Z = jax.device_put(Z, NamedSharding(mesh, P("data", "model")))
    Y = jax.device_put(Y, NamedSharding(mesh, P("data")))
    got = jax.jit(solve)(Z, Y)
    for q, W in expected.W.items():
        np.testing.assert_allclose(got.W[q].T @ got.W[q], W.T @ W, atol=1e-9)
    decoded, wanted = got.decode(Z), expected.decode(Z)
    for q, y in wanted.items():
        np.testing.assert_allclose(decoded[q], y, atol=1e-8)
    assert most_moved(solve, Z, Y) < B // 2 * D


@pytest.mark.parametrize("solver", ["auto", LOW_RANK], ids=["auto", "LowRank"])
def test_what_is_exchanged_does_not_grow_with_the_batch(solver):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))

    def moved(rows):
        Z, Y = data(rows)
        space = solve_subspaces(Z, Y, k=K)
        Z, Y = jax.device_put((Z, Y), NamedSharding(mesh, P("data")))

        def objective(Z, Y, space):
            return combined_loss(Z, space.W, space.A, Y, None, n_dir=8, solver=solver)

        text = jax.jit(jax.value_and_grad(objective)).lower(Z, Y, space).compile().as_text()
        found = collectives(text)
        assert found
        return sum(c.bytes for c in found)

    assert moved(4 * B) == moved(2 * B)


def test_collectives_are_counted():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    x = jax.device_put(jnp.ones((16, 3), jnp.float32), NamedSharding(mesh, P("data")))
    text = jax.jit(lambda x: x.T @ x).lower(x).compile().as_text()
    (only,) = collectives(text)
    assert only == ("all-reduce", 9, 36)


WIDE, FEW = 512, 4  # enough latents, for few enough directions, that not all are computed
SPLITS = {"rows": (P("data"), P()), "rows and columns": (P("data", "model"), P(None, "model"))}


def wide_problem(rows):
    """Draws more latents, in float32, and a basis."""
    Z = np.random.default_rng(0).normal(size=(rows, WIDE)) / np.sqrt(1 + np.arange(WIDE))
    return Z.astype(np.float32), {"x": np.eye(WIDE, dtype=np.float32)[:K]}


def isotropy_of_few(Z, W, axis_name=None):
    return isotropy_loss(Z, W, FEW, axis_name=axis_name)


@pytest.mark.parametrize(("split", "kind"), [*zip(SPLITS, KINDS, strict=True)])
def test_few_directions_of_many_latents(split, kind):
    Z, W = wide_problem(2 * WIDE)
    value, slope = jax.value_and_grad(isotropy_of_few)(Z, W)
    mesh = make_mesh(KINDS[kind])
    placed = [
        jax.device_put(x, NamedSharding(mesh, s))
        for x, s in zip((Z, W), SPLITS[split], strict=True)
    ]
    got, got_slope = jax.jit(jax.value_and_grad(isotropy_of_few))(*placed)
    np.testing.assert_allclose(got, value, rtol=1e-5)
    np.testing.assert_allclose(got_slope, slope, atol=1e-3 * np.abs(slope).max())
    assert got_slope.sharding.is_equivalent_to(placed[0].sharding, 2)


@pytest.mark.parametrize("check_vma", [True, False])
def test_few_directions_under_shard_map(check_vma):
    Z, W = wide_problem(2 * WIDE)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))

    def by_shard(Z, W):
        value, slope = jax.value_and_grad(isotropy_of_few)(Z, W, "data")
        return value, slope

    mapped = jax.shard_map(
        by_shard,
        mesh=mesh,
        in_specs=(P("data"), P()),
        out_specs=(P(), P("data")),
        check_vma=check_vma,
    )
    got, got_slope = jax.jit(mapped)(Z, W)
    value, slope = jax.value_and_grad(isotropy_of_few)(Z, W)
    np.testing.assert_allclose(got, value, rtol=1e-5)
    np.testing.assert_allclose(got_slope, slope, atol=1e-3 * np.abs(slope).max())


def test_few_directions_take_no_exchange_each():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))

    def moved(rows):
        Z, W = wide_problem(rows)
        Z = jax.device_put(Z, NamedSharding(mesh, P("data")))
        function = jax.jit(jax.value_and_grad(isotropy_of_few))
        return [c.elements for c in collectives(function.lower(Z, W).compile().as_text())]

    found = moved(4 * WIDE)
    assert max(found) <= WIDE * WIDE
    assert found == moved(2 * WIDE)

"""Value, gradient and sharding on eight devices; ``test_devices.py`` starts this file.

Numbers are float64, so that nothing but a wrong formula can fail. Differentiating from
outside of a ``shard_map`` with ``check_vma=False`` is left out: JAX doesn't know there
that the result is replicated, and no factor that is right inside is right outside.
"""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from spacelearn_jax import fit_stream
from spacelearn_jax.loss import isotropy_loss
from spacelearn_jax.moments import Moments
from spacelearn_jax.training import WhenDrifted, track_subspaces

from ..contract.closeness import assert_close
from ..contract.registry import (
    COUNT,
    DIFFERENTIABLE,
    DISTINCT,
    REDUCING,
    B,
    direction,
    evaluate,
    ids,
    objective,
)

N = 8
MULTIPLE = 1e5
# A gradient may vanish but for rounding.
FLOOR = 1e-3

# Shards of two rows with both, one or none of them valid.
UNEVEN = np.array([1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1], bool)
assert not UNEVEN.reshape(N, -1).any(1).all()

BATCHED = [c for c in DISTINCT if c.batch and c.covers != "compute_Q"]
REDUCED = [c for c in BATCHED if not c.by_row]
LOSSES = [c for c in REDUCED if c.kind == DIFFERENTIABLE]
# The other routes of a factorization, one for each way that it is shared.
ROUTED = [c for c in REDUCING if c.label in ("eigen", "LowRank") and c.covers != "subspaces"]


(FIT,) = (c for c in REDUCED if str(c) == "fit_decoders")


def test_there_are_eight_devices():
    assert jax.device_count() == N
    assert jax.config.jax_enable_x64


def specs(case, inputs, spec):
    """Returns what shards the rows of the batch and replicates the rest."""
    return {
        name: jax.tree.map(lambda _: spec if name in case.batch else P(), value)
        for name, value in inputs.items()
    }


def close(actual, expected):
    assert_close(actual, expected, multiple=MULTIPLE, floor=FLOOR)


@functools.cache
def single(case, masked=False, rows=B):
    """Returns inputs, outputs and gradients of one device."""
    inputs = case.inputs(B=rows)
    options = {"where": jnp.asarray(UNEVEN)} if masked else {}
    out, gradient = evaluate(case)(inputs, **options)
    return inputs, out, gradient


@functools.cache
def single_tangent(case, masked=False, rows=B):
    """Returns the tangents of one device."""
    inputs, *_ = single(case, masked, rows)
    options = {"where": jnp.asarray(UNEVEN)} if masked else {}
    t = direction(inputs)
    return jax.jit(lambda x: jax.jvp(lambda x: case(x, **options), (x,), (t,))[1])(inputs)


# Plain jit


def make_mesh(kind):
    return jax.make_mesh((N,), ("data",), axis_types=(kind,))


def sharded(case, inputs, mesh):
    """Shards the batch; what is replicated stays where it is, on one device."""
    rows = NamedSharding(mesh, P("data"))
    return {
        name: jax.device_put(value, rows) if name in case.batch else value
        for name, value in inputs.items()
    }


SETTINGS = {
    "auto": (AxisType.Auto, False),
    "explicit": (AxisType.Explicit, False),
    "explicit, mesh set": (AxisType.Explicit, True),
}
# To set the mesh as well is another way for what is replicated, alike in all functions.
SET = ("combined_loss[weighted]", "solve_subspaces", "Space.coordinates")
PLAIN = [(c, s) for c in BATCHED for s in SETTINGS if str(c) in SET or s != "explicit, mesh set"]
assert {str(c) for c, s in PLAIN if s == "explicit, mesh set"} == set(SET)


@pytest.mark.parametrize(("case", "setting"), PLAIN, ids=lambda x: str(x).replace(", ", "-"))
def test_plain_call_on_a_sharded_batch(case, setting):
    kind, is_set = SETTINGS[setting]
    mesh = make_mesh(kind)
    inputs, out, gradient = single(case)
    placed = sharded(case, inputs, mesh)
    if is_set:
        placed = {
            name: value if name in case.batch else jax.device_put(value, NamedSharding(mesh, P()))
            for name, value in placed.items()
        }
    with jax.set_mesh(mesh) if is_set else contextlib.nullcontext():
        # The value comes with the gradient as well: once is enough to see it alone.
        if case.kind != DIFFERENTIABLE or setting == "auto":
            plain = case(placed)
            close(plain, out)
            check_placement(case, plain, mesh)
        if case.kind == DIFFERENTIABLE:
            value, slope = evaluate(case)(placed)
            close(value, out)
            check_placement(case, value, mesh)
            close(slope, gradient)
            for name in case.batch:
                for g, x in zip(*map(jax.tree.leaves, (slope[name], placed[name])), strict=True):
                    assert g.sharding.is_equivalent_to(x.sharding, x.ndim), name


def check_placement(case, out, mesh):
    for leaf in jax.tree.leaves(out):
        if case.kind == COUNT:
            assert isinstance(leaf, int)
        elif case.by_row:
            rows = NamedSharding(mesh, P("data"))
            assert leaf.sharding.is_equivalent_to(rows, leaf.ndim)
        else:
            assert leaf.sharding.is_fully_replicated
            assert len(leaf.sharding.device_set) == N


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_mask_may_be_sharded_as_well(kind):
    mesh = make_mesh(kind)
    for case in (c for c in LOSSES if c.label == "weighted"):
        inputs, out, gradient = single(case, masked=True)
        where = jax.device_put(jnp.asarray(UNEVEN), NamedSharding(mesh, P("data")))
        value, slope = evaluate(case)(sharded(case, inputs, mesh), where=where)
        close(value, out)
        close(slope, gradient)


# shard_map


def mapped(case, *, check_vma, masked, rows=B, mesh=None, axis="data", forward=False):
    """Returns outputs, gradients and, if wanted, tangents by way of shard_map."""
    mesh = mesh or make_mesh(AxisType.Explicit if check_vma else AxisType.Auto)
    inputs, *_ = single(case, masked, rows)
    t = direction(inputs)
    where = jnp.asarray(UNEVEN) if masked else None

    def body(x, t, where):
        options = {} if where is None else {"where": where}

        def run(x):
            return case(x, axis_name=axis, **options)

        if case.kind != DIFFERENTIABLE:
            return run(x), None, None
        gradient = jax.grad(lambda x: objective(run(x)))(x)
        if not check_vma:
            # With its types off, shard_map leaves this sum to the caller.
            gradient = {
                name: g if name in case.batch else jax.tree.map(lambda v: jax.lax.psum(v, axis), g)
                for name, g in gradient.items()
            }
        out, tangent = jax.jvp(run, (x,), (t,)) if forward else (run(x), None)
        return out, tangent, gradient

    def copies(x, t, where):
        out, tangent, gradient = body(x, t, where)
        if check_vma:
            return out, tangent, gradient
        # Every device's own copy, to see that they are equal.
        out, tangent = jax.tree.map(lambda v: v[None], (out, tangent))
        return out, tangent, gradient

    by_rows = specs(case, inputs, P(axis))
    shared = P() if check_vma else P(axis)
    gradients = by_rows if case.kind == DIFFERENTIABLE else None
    run = jax.shard_map(
        copies,
        mesh=mesh,
        in_specs=(by_rows, by_rows, P(axis)),
        out_specs=(shared, shared, gradients),
        check_vma=check_vma,
    )
    rows = NamedSharding(mesh, P(axis))
    x, t = (
        {n: jax.device_put(v, rows) if n in case.batch else v for n, v in tree.items()}
        for tree in (inputs, t)
    )
    where = None if where is None else jax.device_put(where, rows)
    out, tangent, gradient = jax.jit(run)(x, t, where)
    if not check_vma:
        for leaf in jax.tree.leaves((out, tangent)):
            assert leaf.shape[0] == N
            close(leaf, jnp.broadcast_to(leaf[:1], leaf.shape))
        out, tangent = jax.tree.map(lambda v: v[0], (out, tangent))
    return out, gradient, tangent


def check_mapped(case, *, masked=False, rows=B, **options):
    _, out, gradient = single(case, masked, rows)
    got, slope, moved = mapped(case, masked=masked, rows=rows, **options)
    close(got, out)
    if case.kind == DIFFERENTIABLE:
        close(slope, gradient)
    if moved is not None:
        close(moved, single_tangent(case, masked, rows))


@pytest.mark.parametrize("case", REDUCED + ROUTED, ids=ids)
def test_shard_map(case):
    # Options change nothing in how a mask is shared: without any there is one.
    check_mapped(case, check_vma=True, forward=True, masked=not case.label)


@pytest.mark.parametrize("case", [c for c in REDUCED if not c.label], ids=ids)
def test_shard_map_with_one_row_a_device(case):
    check_mapped(case, check_vma=False, rows=N)


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("case", [c for c in LOSSES if not c.label] + [FIT], ids=ids)
def test_shard_map_over_two_axes(case, check_vma):
    kinds = (AxisType.Auto, AxisType.Auto)
    mesh = jax.make_mesh((4, 2), ("data", "more"), axis_types=kinds)
    check_mapped(case, check_vma=check_vma, mesh=mesh, axis=("data", "more"))


@pytest.mark.parametrize("case", LOSSES, ids=ids)
def test_gradient_from_outside_of_shard_map(case):
    inputs, _, gradient = single(case)

    @jax.jit
    @jax.grad
    def outside(x):
        run = jax.shard_map(
            functools.partial(case, axis_name="data"),
            mesh=make_mesh(AxisType.Auto),
            in_specs=(specs(case, inputs, P("data")),),
            out_specs=P(),
        )
        return objective(run(x))

    close(outside(inputs), gradient)


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("case", [c for c in LOSSES if not c.label], ids=ids)
def test_vmap_inside_of_shard_map(case, check_vma):
    inputs = case.inputs()
    others = inputs | {"Z": jnp.roll(inputs["Z"], 1, axis=0)} if "Z" in inputs else inputs
    both = jax.tree.map(lambda *x: jnp.stack(x), inputs, others)

    def of_each(x):
        def gradient(x):
            slope = jax.grad(lambda x: objective(case(x, axis_name="data")))(x)
            return {name: slope[name] for name in case.batch}

        return jax.vmap(lambda x: case(x, axis_name="data"))(x), jax.vmap(gradient)(x)

    by_rows = specs(case, inputs, P(None, "data"))
    run = jax.shard_map(
        of_each,
        mesh=make_mesh(AxisType.Auto),
        in_specs=(by_rows,),
        out_specs=(P(), {name: by_rows[name] for name in case.batch}),
        check_vma=check_vma,
    )
    got, slopes = jax.jit(run)(both)
    for i, one in enumerate((inputs, others)):
        out, slope = evaluate(case)(one)
        close(jax.tree.map(lambda x, i=i: x[i], got), out)
        close(jax.tree.map(lambda x, i=i: x[i], slopes), {name: slope[name] for name in case.batch})


# Derivatives of second order


def hvp(case, **options):
    """Returns a function of the product of the Hessian by Z with a direction."""

    def of(x, t):
        def slope(z):
            return jax.grad(lambda z: objective(case(x | {"Z": z}, **options)))(z)

        return jax.jvp(slope, (x["Z"],), (t["Z"],))[1]

    return of


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("case", [c for c in LOSSES if not c.label and "Z" in c.batch], ids=ids)
def test_second_derivatives_inside_of_shard_map(case, check_vma):
    """They are right, or refused."""
    inputs = case.inputs()
    t = direction(inputs)
    by_rows = specs(case, inputs, P("data"))
    run = jax.shard_map(
        hvp(case, axis_name="data"),
        mesh=make_mesh(AxisType.Auto),
        in_specs=(by_rows, by_rows),
        out_specs=P("data"),
        check_vma=check_vma,
    )
    if case.covers in ("isotropy_loss", "combined_loss"):
        with pytest.raises(ValueError, match="axis_name must be None for derivatives of second"):
            jax.jit(run)(inputs, t)
    else:
        close(jax.jit(run)(inputs, t), jax.jit(hvp(case))(inputs, t))


# An axis beside the batch's, such as that of an ensemble's members


def of_members(case, *, mesh, axis_name):
    """Returns outputs and gradients of two members of an ensemble, one in each half."""
    inputs = case.inputs()
    others = inputs | {"Z": jnp.roll(inputs["Z"], 1, axis=0)} if "Z" in inputs else inputs
    members = (inputs, others)
    both = jax.tree.map(lambda *x: jnp.stack(x), *members)

    def one(x):
        x = jax.tree.map(lambda leaf: leaf[0], x)
        options = {"axis_name": axis_name} if axis_name else {}
        out, slope = case(x, **options), None
        if case.kind == DIFFERENTIABLE:
            slope = jax.grad(lambda x: objective(case(x, **options)))(x)
        return jax.tree.map(lambda leaf: leaf[None], (out, slope))

    by_rows = specs(case, inputs, P("member", axis_name))
    by_rows = {
        name: spec if name in case.batch else jax.tree.map(lambda _: P("member"), inputs[name])
        for name, spec in by_rows.items()
    }
    slopes = by_rows if case.kind == DIFFERENTIABLE else None
    run = jax.shard_map(one, mesh=mesh, in_specs=(by_rows,), out_specs=(P("member"), slopes))
    return members, jax.jit(run)(both)


@pytest.mark.parametrize("axis_name", [None, "data"])
@pytest.mark.parametrize("case", [c for c in REDUCED if not c.label], ids=ids)
def test_members_of_an_ensemble(case, axis_name):
    shape, names = ((2, 4), ("member", "data")) if axis_name else ((2,), ("member",))
    mesh = jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(shape))
    members, (out, slope) = of_members(case, mesh=mesh, axis_name=axis_name)
    for i, inputs in enumerate(members):
        expected, gradient = evaluate(case)(inputs)
        close(jax.tree.map(lambda leaf, i=i: leaf[i], out), expected)
        if slope is not None:
            close(jax.tree.map(lambda leaf, i=i: leaf[i], slope), gradient)


@pytest.mark.parametrize(("latents", "n_dir"), [(256, 32), (900, 2), (1700, 8)])
def test_isotropy_of_many_latents_of_members(latents, n_dir):
    """On the CPU these are three ways to find singular values."""
    Z = jax.random.normal(jax.random.key(0), (2, 200, latents))
    loss = functools.partial(isotropy_loss, W={"x": jnp.eye(latents)[:4]}, n_dir=n_dir)

    def one(z):
        return jax.tree.map(lambda x: x[None], jax.value_and_grad(loss)(z[0]))

    mesh = jax.make_mesh((2,), ("member",), axis_types=(AxisType.Auto,))
    run = jax.shard_map(one, mesh=mesh, in_specs=P("member"), out_specs=P("member"))
    for i, part in enumerate(zip(*jax.jit(run)(Z), strict=True)):
        close(part, jax.value_and_grad(loss)(Z[i]))


@pytest.mark.parametrize("every", [1, 2, WhenDrifted(0.1)])
@pytest.mark.parametrize("axis_name", [None, "data"])
def test_trackers_of_members(axis_name, every):
    """Each starts, and goes on, inside of ``shard_map``."""
    tracker = track_subspaces(1, every=every)
    Z = jax.random.normal(jax.random.key(0), (2, 16, 6))
    Y = {"a": Z[..., :2] ** 2, "b": Z[..., 3]}

    def run(Z, Y, axis_name=None):
        state = tracker.init(Z, Y, axis_name=axis_name)

        def step(state, shift):
            return tracker.update(Z + shift, Y, state, axis_name=axis_name), None

        return jax.lax.scan(step, state, jnp.arange(3.0))[0]

    def one(Z, Y):
        Z, Y = jax.tree.map(lambda x: x[0], (Z, Y))
        return jax.tree.map(lambda x: x[None], run(Z, Y, axis_name))

    shape, names = ((2, 4), ("member", "data")) if axis_name else ((2,), ("member",))
    mesh = jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(shape))
    rows = P("member", axis_name)
    mapped = jax.shard_map(one, mesh=mesh, in_specs=(rows, rows), out_specs=P("member"))
    states = jax.jit(mapped)(Z, Y)
    for i in range(2):
        expected = jax.jit(run)(Z[i], jax.tree.map(lambda y, i=i: y[i], Y))
        close(jax.tree.map(lambda x, i=i: x[i], states), expected)


# Many latents, of which a few directions are asked for


def test_isotropy_of_many_latents():
    Z = np.random.default_rng(0).normal(size=(64 * N, 384))
    loss = functools.partial(isotropy_loss, W={"x": jnp.eye(384)[:4]}, n_dir=8)
    value, gradient = jax.value_and_grad(loss)(Z)
    mesh = make_mesh(AxisType.Explicit)
    placed = jax.device_put(Z, NamedSharding(mesh, P("data")))
    inside = jax.shard_map(
        jax.value_and_grad(functools.partial(loss, axis_name="data")),
        mesh=mesh,
        in_specs=P("data"),
        out_specs=(P(), P("data")),
    )
    for function in (jax.value_and_grad(loss), inside):
        got, slope = jax.jit(function)(placed)
        close(got, value)
        close(slope, gradient)
        assert slope.sharding.is_equivalent_to(placed.sharding, 2)


# Many rows, which are summed in parts


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_moments_of_many_rows(kind):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(1100 * N, 6)).astype(np.float32)
    Y = {"x": Z[:, :2] + 1, "y": Z[:, 0]}
    mesh = jax.make_mesh((N,), ("data",), axis_types=(kind,))
    placed = jax.device_put((Z, Y), NamedSharding(mesh, P("data")))
    got = Moments.from_batch(*placed)
    wide = np.asarray(Z, np.float64) - Z.mean(0, dtype=np.float64)
    for q, y in Y.items():
        expected = wide.T @ np.reshape(y, (len(y), -1)).astype(np.float64)
        np.testing.assert_allclose(got.Szy[q], expected, atol=5e-7 * len(Z))
        assert got.Szy[q].sharding.is_fully_replicated


@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("axis", ["data", "parts"])
def test_moments_of_many_rows_a_device(axis, check_vma):
    rows = 2 * 8200
    Z = 1000 + np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    Y = {"x": Z[:, :2] ** 2}
    mesh = jax.make_mesh((2,), (axis,), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])

    def gathered(z, y):
        return Moments.from_batch(z, y, axis_name=axis), Moments.from_batch(z, y).psum(axis)

    spread = jax.shard_map(
        gathered, mesh=mesh, in_specs=P(axis), out_specs=P(), check_vma=check_vma
    )
    expected = Moments.from_batch(Z, Y)
    for got in jax.jit(spread)(Z, Y):
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=2e-6), got.Szy, expected.Szy
        )
        np.testing.assert_allclose(got.Szz, expected.Szz, rtol=1e-6, atol=1e-6 * rows)


def test_stream_of_sharded_batches():
    # Enough rows for plain sums about principal axes, of which no device has all.
    rng = np.random.default_rng(0)
    Z = (rng.normal(size=(6 * 8192, 4)) @ rng.normal(size=(4, 4))).astype(np.float32)
    Y = {"y": Z[:, :2] ** 2}
    rows = NamedSharding(make_mesh(AxisType.Auto), P("data"))
    batches = [
        jax.device_put((Z[i : i + 8192], {"y": Y["y"][i : i + 8192]}), rows)
        for i in range(0, len(Z), 8192)
    ]
    got, expected = fit_stream(batches, k=2), fit_stream(jax.device_get(batches), k=2)
    close_to = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-5)
    jax.tree.map(close_to, got.decode(Z[:8]), expected.decode(Z[:8]))


# vmap and pmap


def split(case, inputs):
    return {
        name: jax.tree.map(lambda x: x.reshape(N, -1, *x.shape[1:]), value)
        if name in case.batch
        else value
        for name, value in inputs.items()
    }


def local(case, x):
    """Value and gradient of one device of several, shared gradients summed."""

    def scalar(x):
        out = case(x, axis_name="data")
        return objective(out), out

    gradient, out = jax.grad(scalar, has_aux=True)(x)
    return out, {
        name: g if name in case.batch else jax.tree.map(lambda v: jax.lax.psum(v, "data"), g)
        for name, g in gradient.items()
    }


MAPS = {
    "vmap": lambda f, axes: jax.jit(jax.vmap(f, in_axes=(axes,), axis_name="data")),
    "pmap": lambda f, axes: jax.pmap(f, in_axes=(axes,), axis_name="data"),
}


@pytest.mark.parametrize("transform", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("case", [c for c in LOSSES if not c.label], ids=ids)
def test_gradient_inside_of_vmap_and_pmap(case, transform):
    inputs, out, gradient = single(case)
    axes = {name: 0 if name in case.batch else None for name in inputs}
    got, slope = transform(functools.partial(local, case), axes)(split(case, inputs))
    for leaf, wanted in zip(*map(jax.tree.leaves, (got, out)), strict=True):
        close(leaf, jnp.broadcast_to(wanted, (N, *wanted.shape)))
    for name, g in slope.items():
        join = (lambda v: v.reshape(B, *v.shape[2:])) if name in case.batch else (lambda v: v[0])
        close(jax.tree.map(join, g), gradient[name])


# Mistakes


@pytest.mark.parametrize("case", REDUCED, ids=ids)
def test_axis_that_is_not_mapped_over(case):
    inputs = case.inputs()
    for axis in ("data", ("data", "more")):
        with pytest.raises(ValueError, match=r"axis_name must be an axis .* maps over here"):
            case(inputs, axis_name=axis)
        with pytest.raises(ValueError, match="axis_name"):
            jax.jit(functools.partial(case, axis_name=axis))(inputs)

"""Values and gradients stay finite where mathematics has none; bad numbers stay visible."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .closeness import assert_finite
from .registry import (
    CASES,
    COUNT,
    DIFFERENTIABLE,
    DISTINCT,
    REDUCING,
    ROUTES,
    B,
    D,
    evaluate,
    ids,
    ingredients,
    jitted,
    two,
)


def hadamard(n):
    H = np.ones((1, 1))
    while len(H) < n:
        H = np.block([[H, H], [H, -H]])
    return H


def of(Y, change):
    return {q: change(y) for q, y in Y.items()}


def zero_latents(x):
    return {"Z": 0 * x["Z"]}


def constant_latents(x):
    return {"Z": 0 * x["Z"] + 3.7}


def dead_latents(x):
    """One latent is always zero, one constant, and a subspace reads those alone."""
    Z = x["Z"].copy()
    Z[:, 0], Z[:, 1] = 0.0, 3.7
    W = {**x["W"], "vorticity": np.eye(2, D)}
    return {"Z": Z, "W": W, "W_two": two(W)}


def rank_one(x):
    return {
        "Z": np.outer(x["Z"][:, 0], x["Z"][0]),
        "M": np.outer(x["M"][:, 0], x["M"][0]),
        "fields": of(x["fields"], lambda y: y[:, :1] * np.ones_like(y)),
    }


def repeated_singular_values(x):
    """Orthogonal centred columns of one length, and bases along the axes."""
    Z = hadamard(B)[:, 1 : D + 1]
    W = {q: np.eye(D)[i : i + len(w)] for i, (q, w) in enumerate(x["W"].items())}
    return {
        "Z": Z,
        "W": W,
        "W_two": two(W),
        "Y_two": {"drag": Z[:, 0], "vorticity": Z[:, :6].reshape(B, 2, 3)},
        "fields": {"sequence": Z},
        "M": np.eye(9, 6),
        "W_old": np.eye(3, D),
        "W_new": np.eye(2, D, 1),
    }


def constant_targets(x):
    return {
        "Y": of(x["Y"], lambda y: 0 * y + 2.0),
        "Y_two": of(x["Y_two"], lambda y: 0 * y + 2.0),
        "fields": of(x["fields"], lambda y: 0 * y + 2.0),
        "x": 0 * x["x"] + 2.0,
    }


def zero_targets(x):
    return {
        "Y": of(x["Y"], lambda y: 0 * y),
        "Y_two": of(x["Y_two"], lambda y: 0 * y),
        "fields": of(x["fields"], lambda y: 0 * y),
        "x": 0 * x["x"],
        "M": 0 * x["M"],
    }


def no_change_of_bases(x):
    return {"W_prev": x["W"], "W_new": x["W_old"][:2]}


def bases_at_right_angles(x):
    return {"W_old": np.eye(3, D), "W_new": np.eye(2, D, 4)}


def shared_subspaces(x):
    W = of(x["W"], lambda w: x["W"]["vorticity"][: len(w)])
    return {"W": W, "W_two": two(W), "W_prev": W}


def tiny_numbers(x):
    """Numbers whose squares underflow in float32."""
    return {
        "Z": 1e-25 * x["Z"],
        "Y": of(x["Y"], lambda y: 1e-25 * y),
        "fields": of(x["fields"], lambda y: 1e-25 * y),
        "M": 1e-25 * x["M"],
    }


def large_offset(x):
    """Numbers whose variance is lost to rounding in float32, all but a few bits."""
    return {"Z": x["Z"] + 1e6, "Y": of(x["Y"], lambda y: y + 1e6)}


DEGENERATE = (
    zero_latents,
    constant_latents,
    dead_latents,
    rank_one,
    repeated_singular_values,
    constant_targets,
    zero_targets,
    no_change_of_bases,
    bases_at_right_angles,
    shared_subspaces,
    tiny_numbers,
    large_offset,
)


def concerned():
    """Returns the pairs of a case and a degeneration that changes its inputs."""
    pairs = []
    inputs = ingredients()
    changes = {change: set(change(inputs)) for change in DEGENERATE}
    # Case by case: tests next to each other share a compiled program.
    for case in ROUTES:
        alike = case in CASES and case not in DISTINCT
        for change, changed in changes.items():
            if set(case.args) & changed and not alike:
                pairs.append(pytest.param(case, change, id=f"{case}-{change.__name__}"))
    return pairs


@pytest.mark.parametrize(("case", "change"), concerned())
def test_value_and_gradient_stay_finite(case, change):
    assert_finite(evaluate(case)(case.inputs(jnp.float32, change=change)))


@pytest.mark.parametrize("same", [False, True], ids=["different", "same"])
@pytest.mark.parametrize("case", [c for c in REDUCING if c in DISTINCT], ids=ids)
def test_two_rows_are_enough(case, same):
    def equal(drawn):
        return {n: jax.tree.map(lambda x: x[[0, 0]], drawn[n]) for n in case.batch if same}

    run = evaluate(case) if case.kind == DIFFERENTIABLE else case
    assert_finite(run(case.inputs(jnp.float32, B=2, change=equal)))


# What of a space a method doesn't read.
UNREAD = {"Space.coordinates": (".A", ".V", ".y_mean"), "Space.decode": (".V",)}


def poisoned(case, value):
    """Yields the inputs with one number of one array replaced, array by array."""
    inputs = case.inputs(jnp.float32)
    leaves, treedef = jax.tree.flatten_with_path(inputs)
    for i, (path, leaf) in enumerate(leaves):
        name = jax.tree_util.keystr(path)
        if not any(part in name for part in UNREAD.get(case.covers, ())):
            bad = [x for _, x in leaves]
            bad[i] = leaf.at[(1,) + (0,) * (leaf.ndim - 1) if len(leaf) > 1 else 0].set(value)
            yield name, jax.tree.unflatten(treedef, bad)


def is_finite(out):
    return all(np.isfinite(x).all() for x in jax.tree.leaves(out))


@pytest.mark.parametrize("case", ROUTES, ids=ids)
def test_nan_in_gives_nan_out(case):
    for name, inputs in poisoned(case, jnp.nan):
        if case.kind == COUNT:
            with pytest.raises(ValueError, match="finite"):
                case(inputs)
            assert 0 in jax.tree.leaves(jitted(case)(inputs)), name
        else:
            out = case(inputs)
            assert any(np.isnan(x).any() for x in jax.tree.leaves(out)), name
            if isinstance(out, jax.Array) and out.ndim == 0:
                assert np.isnan(out), name


@pytest.mark.parametrize("value", [jnp.inf, -jnp.inf])
@pytest.mark.parametrize("case", ROUTES, ids=ids)
def test_infinity_in_raises_nothing_and_stays_visible(case, value):
    for name, inputs in poisoned(case, value):
        if case.kind == COUNT:
            with pytest.raises(ValueError, match="finite"):
                case(inputs)
        elif case.label == "max" and value < 0:
            assert is_finite(case(inputs)), name  # no maximum of any bin
        else:
            assert not is_finite(case(inputs)), name


@pytest.mark.parametrize("case", [c for c in CASES if c.by_row], ids=ids)
def test_nan_stays_in_its_row(case):
    inputs = case.inputs(jnp.float32)
    (name,) = case.batch
    inputs[name] = inputs[name].at[3].set(jnp.nan)
    for leaf in jax.tree.leaves(case(inputs)):
        assert np.isnan(leaf[3]).all()
        assert np.isfinite(np.delete(leaf, 3, 0)).all()

"""Objectives: which inputs reach which term, weights, nesting, errors."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from spacelearn_jax import solve_subspaces
from spacelearn_jax.loss import (
    Objective,
    alignment_loss,
    combine,
    combined_loss,
    disentanglement_loss,
    isotropy_loss,
    stability_loss,
)

B, D = 16, 5


def task(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def size(Z):
    return jnp.mean(jnp.square(Z))


@pytest.fixture(scope="module")
def inputs():
    keys = jax.random.split(jax.random.key(0), 3)
    Z = jax.random.normal(keys[0], (B, D))
    Y = {"a": Z[:, :2] ** 2, "b": Z[:, 3]}
    space = solve_subspaces(Z, Y, k=2)
    return {
        "Z": Z,
        "W": dict(space.W),
        "A": dict(space.A),
        "Y": Y,
        "W_prev": jax.tree.map(lambda w: -w, dict(space.W)),
        "logits": jax.random.normal(keys[1], (B, 3)),
        "labels": jax.random.randint(keys[2], (B,), 0, 3),
    }


TERMS = {
    "task": task,
    "alignment": alignment_loss,
    "disentanglement": disentanglement_loss,
    "isotropy": functools.partial(isotropy_loss, n_dir=3),
    "stability": stability_loss,
}


def by_hand(Z, W, A, Y, W_prev, logits, labels):
    return {
        "task": task(logits, labels),
        "alignment": alignment_loss(Z, W, A, Y),
        "disentanglement": disentanglement_loss(Z, W),
        "isotropy": isotropy_loss(Z, W, 3),
        "stability": stability_loss(W, W_prev),
    }


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


def test_terms_get_the_inputs_they_name(inputs):
    total, terms = combine(TERMS)(**inputs)
    wanted = by_hand(**inputs)
    assert list(terms) == sorted(TERMS)
    close(terms, {name: wanted[name] for name in terms})
    close(total, sum(wanted.values()))
    assert total.shape == ()


def test_it_is_the_combined_loss(inputs):
    terms = {name: f for name, f in TERMS.items() if name != "task"}
    weights = {"isotropy": 0.1, "stability": 2.0}
    given = {name: inputs[name] for name in ("Z", "W", "A", "Y", "W_prev")}
    got = combine(terms, weights)(**given)
    close(got, combined_loss(**given, n_dir=3, weights=weights, return_terms=True))


def test_a_mask_reaches_every_term_that_takes_one(inputs):
    where = np.arange(B) < 11
    given = {name: inputs[name] for name in ("Z", "W", "A", "Y")}
    _, terms = combine({"alignment": alignment_loss, "size": size})(**given, where=where)
    Y = {q: y[where] for q, y in given["Y"].items()}
    close(terms["alignment"], alignment_loss(given["Z"][where], given["W"], given["A"], Y))
    close(terms["size"], size(given["Z"]))


def test_value_and_grad_with_aux(inputs):
    weights = {"task": 0.5, "isotropy": 3.0}
    objective = combine(TERMS, weights)
    rest = {name: x for name, x in inputs.items() if name != "Z"}
    (total, terms), slope = jax.value_and_grad(lambda Z: objective(Z=Z, **rest), has_aux=True)(
        inputs["Z"]
    )

    def sum_by_hand(Z):
        return sum(weights.get(n, 1.0) * x for n, x in by_hand(Z=Z, **rest).items())

    close((total, slope), jax.value_and_grad(sum_by_hand)(inputs["Z"]))
    close(terms, dict(sorted(by_hand(**inputs).items())))


@pytest.mark.parametrize(
    "weight",
    [2.5, 2, np.float64(2.5), np.float32(2.5), jnp.float32(2.5), jnp.bfloat16(2.5), np.int64(2)],
    ids=lambda w: type(w).__name__ + str(getattr(w, "dtype", "")),
)
def test_weights_are_numbers(inputs, weight):
    total, terms = combine({"size": size}, {"size": weight})(Z=inputs["Z"])
    close(total, float(weight) * terms["size"])
    close(terms["size"], size(inputs["Z"]))
    assert total.dtype == jnp.float32


def test_weights_are_traced_and_differentiated(inputs):
    def total(weight):
        return combine({"size": size}, {"size": weight})(Z=inputs["Z"])[0]

    value, slope = jax.jit(jax.value_and_grad(total))(jnp.float32(3.0))
    close((value, slope), (3 * size(inputs["Z"]), size(inputs["Z"])))


@pytest.mark.parametrize(
    "schedule",
    [
        optax.linear_schedule(0.0, 2.0, 10),
        optax.constant_schedule(3),
        optax.cosine_decay_schedule(1.0, 20),
        optax.piecewise_constant_schedule(1.0, {5: 0.5}),
        lambda step: step,
    ],
)
@pytest.mark.parametrize("jit", [False, True])
def test_weights_are_schedules(inputs, schedule, jit):
    objective = combine({"size": size, "task": lambda x: x}, {"size": schedule})

    def total(step, Z):
        return objective(Z=Z, x=jnp.float32(0.25), step=step)[0]

    with jax.numpy_dtype_promotion("standard"):  # Optax's schedules mix dtypes
        for step in (0, 4, 7, 30):
            got = (jax.jit(total) if jit else total)(step, inputs["Z"])
            close(got, float(schedule(step)) * size(inputs["Z"]) + 0.25)


def test_step_is_given_to_the_terms_that_name_it():
    objective = combine(
        {
            "named": lambda x, step: x * step,
            "not": lambda x: x,
            "all": lambda **inputs: 0.0 * inputs["x"] + inputs["step"],
        }
    )
    _, terms = objective(x=jnp.float32(2.0), step=jnp.float32(3.0))
    assert terms == {"all": 3.0, "named": 6.0, "not": 2.0}
    assert combine({"a": lambda x, step: x + step})(x=jnp.float32(2.0))[0] == 2.0


def test_inputs_with_defaults_may_be_left_out():
    objective = combine({"a": lambda x, y=2.0: x * y, "b": lambda x, *, z=1.0: x + z})
    assert objective(x=jnp.float32(3.0))[1] == {"a": 6.0, "b": 4.0}
    assert objective(x=jnp.float32(3.0), y=0.0, z=0.0)[1] == {"a": 0.0, "b": 3.0}


def test_functions_are_terms_whatever_their_kind(inputs):
    class Norm:
        def __call__(self, Z):
            return jnp.sum(jnp.abs(Z))

        def method(self, Z):
            return self(Z)

    norm = Norm()
    _, terms = combine({"object": norm, "method": norm.method, "jit": jax.jit(size)})(Z=inputs["Z"])
    close(
        terms, {"jit": size(inputs["Z"]), "method": norm(inputs["Z"]), "object": norm(inputs["Z"])}
    )


def test_partial_hides_what_it_binds_positionally():
    def power(x, n, scale=1.0):
        return scale * x**n

    objective = combine({"a": functools.partial(power, n=2), "b": functools.partial(power, n=3)})
    assert objective(x=jnp.float32(2.0))[1] == {"a": 4.0, "b": 8.0}
    first = combine({"a": functools.partial(power, jnp.float32(3.0))})
    assert first(n=2)[0] == 9.0
    with pytest.raises(ValueError, match="unknown name 'x'"):
        first(x=jnp.float32(1.0), n=2)


def test_nesting(inputs):
    space = combine(
        {name: TERMS[name] for name in ("alignment", "isotropy", "stability")}, {"isotropy": 0.5}
    )
    outer = combine({"task": task, "space": space}, {"space": optax.linear_schedule(0.0, 4.0, 8)})
    total, terms = jax.jit(lambda step: outer(**inputs, step=step))(jnp.int32(2))
    names = ["space", "task", "space/alignment", "space/isotropy", "space/stability"]
    assert sorted(terms) == sorted(names)
    wanted = by_hand(**inputs)
    inner = wanted["alignment"] + 0.5 * wanted["isotropy"] + wanted["stability"]
    close(terms["space"], inner)
    close(terms["space/isotropy"], wanted["isotropy"])
    close(total, wanted["task"] + 1.0 * inner)


def test_nesting_twice_and_with_defaults():
    core = combine({"x": lambda x, scale=2.0: scale * x})
    middle = combine({"core": core, "y": lambda y: y}, {"core": lambda step: step})
    outer = combine({"middle": middle})
    total, terms = outer(x=jnp.float32(1.0), y=jnp.float32(3.0), step=jnp.float32(5.0))
    assert total == 2.0 * 5.0 + 3.0
    assert terms == {
        "middle": 13.0,
        "middle/core": 2.0,
        "middle/core/x": 2.0,
        "middle/y": 3.0,
    }
    with pytest.raises(ValueError, match="combine: the inputs must be .*'y', which 'middle' needs"):
        outer(x=jnp.float32(1.0))
    with pytest.raises(ValueError, match="unknown name 'scales'. Did you mean 'scale'?"):
        outer(x=jnp.float32(1.0), y=jnp.float32(3.0), scales=1.0)


def test_an_inner_term_that_takes_everything():
    inner = combine({"all": lambda **kw: sum(kw.values())})
    total, _ = combine({"inner": inner, "x": lambda x: x})(x=jnp.float32(1.0), z=jnp.float32(2.0))
    assert total == 1.0 + 2.0 + 1.0


def test_an_input_may_have_any_name_beside_one_that_takes_everything():
    objective = combine({"fit": lambda inputs: inputs.mean(), "log": lambda **kw: jnp.zeros(())})
    assert float(objective(inputs=jnp.ones(3))[0]) == 1


def test_a_term_may_report_its_own_parts():
    objective = combine({"a": lambda x: (jnp.sum(x), {"mean": jnp.mean(x)})})
    total, terms = objective(x=jnp.ones(4))
    assert total == 4.0
    assert terms == {"a": 4.0, "a/mean": 1.0}


def test_a_term_may_be_a_python_number():
    objective = combine({"off": lambda x: 0, "half": lambda x: 0.5, "x": lambda x: x})
    with jax.enable_x64(True):
        total, terms = objective(x=jnp.float32(1.0))
    assert total == 1.5
    assert {x.dtype for x in (total, *terms.values())} == {jnp.dtype("float32")}


def test_names_with_a_slash_may_stand_alone():
    assert combine({"a/b": lambda x: x})(x=jnp.float32(1.0))[1] == {"a/b": 1.0}


def test_functions_and_weights_are_what_was_given():
    weights = {"size": 2.0}
    objective = combine({"task": task, "size": size}, weights)
    assert isinstance(objective, Objective)
    assert objective.functions == {"size": size, "task": task}
    assert objective.weights == weights
    again = combine(objective.functions | {"extra": lambda Z: jnp.sum(Z)}, objective.weights)
    assert sorted(again.functions) == ["extra", "size", "task"]


def test_repr():
    inner = combine(
        {"isotropy": functools.partial(isotropy_loss, n_dir=8), "alignment": alignment_loss}
    )
    outer = combine(
        {"task": lambda x: x, "space": inner, "size": size},
        {"space": optax.linear_schedule(0.0, 1.0, 100), "size": 1e-3, "task": jnp.float32(0.5)},
    )
    assert repr(outer) == (
        "combine(\n"
        "  size: 0.001 * size,\n"
        "  space: polynomial_schedule.schedule * combine(\n"
        "    alignment: 1 * alignment_loss,\n"
        "    isotropy: 1 * isotropy_loss(n_dir=8),\n"
        "  ),\n"
        "  task: 0.5 * test_repr.<lambda>,\n"
        ")"
    )


def test_one_trace_for_all_steps(inputs):
    objective = combine(TERMS, {"task": optax.exponential_decay(1.0, 10, 0.5)})

    @jax.jit
    @chex.assert_max_traces(1)
    def train_step(Z, step):
        rest = {name: x for name, x in inputs.items() if name != "Z"}
        slope = jax.grad(lambda Z: objective(Z=Z, **rest, step=step)[0])(Z)
        return Z - 0.01 * slope, step + 1

    Z, step = inputs["Z"], jnp.int32(0)
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(3):
            Z, step = train_step(Z, step)
    assert step == 3
    assert np.isfinite(Z).all()


def test_jit_vmap_and_scan_agree_with_a_loop(inputs):
    objective = combine({"task": task, "size": size}, {"size": lambda step: 0.5 * step})
    Zs = jnp.stack([inputs["Z"], 2 * inputs["Z"], -inputs["Z"]])
    steps = jnp.arange(3, dtype=jnp.float32)
    rest = {name: inputs[name] for name in ("logits", "labels")}

    def one(Z, step):
        return objective(Z=Z, **rest, step=step)

    loop = [one(Z, step) for Z, step in zip(Zs, steps, strict=True)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *loop)
    close(jax.vmap(one)(Zs, steps), stacked)
    close(jax.vmap(jax.jit(one))(Zs, steps), stacked)
    _, scanned = jax.lax.scan(lambda c, x: (c, one(*x)), None, (Zs, steps))
    close(scanned, stacked)


@pytest.mark.parametrize(
    ("dtypes", "wanted"),
    [
        (("float16", "bfloat16"), "float32"),
        (("float32", "float16"), "float32"),
        (("float32", "float64"), "float64"),
    ],
)
def test_dtypes(dtypes, wanted):
    with jax.enable_x64(True):
        a, b = (jnp.ones((), d) for d in dtypes)
        total, terms = combine({"a": lambda a: a, "b": lambda b: b}, {"a": 0.5})(a=a, b=b)
        assert total == 1.5
        assert total.dtype == wanted
        assert (terms["a"].dtype, terms["b"].dtype) == dtypes


def test_a_nan_term_shows(inputs):
    total, terms = combine({"a": lambda a: a, "size": size})(a=jnp.float32(np.nan), Z=inputs["Z"])
    assert np.isnan(total)
    assert np.isfinite(terms["size"])


@pytest.mark.parametrize(
    ("terms", "weights", "kind", "message"),
    [
        ({}, None, ValueError, "terms must be a mapping with at least one"),
        ([task], None, TypeError, "terms must be a mapping"),
        ({1: task}, None, TypeError, "terms must be keyed by str, got the int 1 as a key"),
        ({"a": 1.0}, None, TypeError, r"terms\['a'\] must be a function, got the float 1.0"),
        ({"a": lambda x, /: x}, None, TypeError, "a must be .*positional-only parameter 'x'"),
        ({"a": dict.get}, None, TypeError, "a must be a function"),
        (
            {"task": task, "size": size},
            {"sise": 1.0},
            ValueError,
            "weights must be keyed by the terms of the loss, got the unknown name 'sise'. "
            "Did you mean 'size'?",
        ),
        ({"a": size}, {"a": "1"}, TypeError, r"weights\['a'\] must be"),
        ({"a": size}, {"a": None}, TypeError, r"weights\['a'\] must be"),
        ({"a": size}, {"a": jnp.ones(2)}, ValueError, r"weights\['a'\] must be .*got shape \(2,\)"),
        ({"a": size}, 2.0, TypeError, "weights must be a mapping"),
        (
            {"a": size, "a/b": size},
            None,
            ValueError,
            r"terms\['a/b'\] must be named apart from 'a'",
        ),
    ],
)
def test_bad_terms_and_weights(terms, weights, kind, message):
    with pytest.raises(kind, match=f"^combine: {message}"):
        combine(terms, weights)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("terms", "given", "kind", "message"),
    [
        (
            {"task": task, "size": size},
            {"logits": 1.0, "label": 1.0, "Z": 1.0},
            ValueError,
            "the inputs must be keyed by parameters of the functions, got the unknown name "
            "'label'. Did you mean 'labels'?",
        ),
        (
            {"task": task, "size": size},
            {"logits": 1.0, "Z": 1.0},
            ValueError,
            "the inputs must be a set that holds 'labels', which 'task' needs, "
            "got only 'Z', 'logits'",
        ),
        ({"size": size}, {}, ValueError, "'Z', which 'size' needs, got none"),
        (
            {"a": lambda x: x},
            {"x": np.ones(3, np.float32)},
            ValueError,
            "the term 'a' must be a scalar, "
            r"got shape \(3,\). Reduce it, for example with .mean\(\).",
        ),
        ({"a": lambda x: x > 0}, {"x": np.float32(1)}, TypeError, "the term 'a' must be .*float"),
        ({"a": lambda x: True}, {"x": 1.0}, TypeError, "the term 'a' must be"),
        ({"a": lambda x: None}, {"x": 1.0}, TypeError, "the term 'a' must be"),
        (
            {"a": lambda x: {"b": x}},
            {"x": 1.0},
            TypeError,
            "the term 'a' must be a scalar, got a dict. Reduce it, as reduction='mean' does",
        ),
        ({"a": lambda x: (x, x)}, {"x": 1.0}, TypeError, "the term 'a' must be"),
    ],
)
def test_bad_calls(terms, given, kind, message, jit):
    objective = combine(terms)
    call = jax.jit(lambda kw: objective(**kw)) if jit else lambda kw: objective(**kw)
    with pytest.raises(kind, match=f"^combine: .*{message}"):
        call(given)


def test_a_schedule_has_to_return_a_scalar():
    objective = combine({"a": lambda x: x}, {"a": lambda step: jnp.ones(2)})
    with pytest.raises(ValueError, match=r"combine: weights\['a'\] must be .*got shape \(2,\)"):
        objective(x=jnp.float32(1.0))


def test_any_name_is_an_input():
    objective = combine({"a": lambda self: jnp.mean(self)})
    total, terms = objective(self=jnp.full(3, 2.0))
    assert total == terms["a"] == 2

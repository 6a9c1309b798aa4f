"""Balancers against the equations of their papers in NumPy, and training with them."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from spacelearn_jax.loss import (
    Balanced,
    Balancer,
    balance,
    combine,
    gradient_norm_balance,
    gradient_norms,
    gradnorm,
    relobralo,
    uncertainty,
)

STEPS = 12
RNG = np.random.default_rng(0)
# Three terms that fall at different rates, with some noise, as in training.
RUN = np.exp(-np.outer(np.arange(STEPS), [0.3, 0.05, 0.0])) * [5.0, 0.2, 1.0]
RUN = (RUN * RNG.uniform(0.9, 1.1, RUN.shape)).astype(np.float32)
NORMS = RNG.uniform(0.1, 10.0, RUN.shape).astype(np.float32)
NAMES = ("a", "b", "c")

BALANCERS = {
    "uncertainty": uncertainty,
    "relobralo": relobralo,
    "gradnorm": gradnorm,
    "gradient_norm_balance": gradient_norm_balance,
}
every_balancer = pytest.mark.parametrize("make", BALANCERS.values(), ids=BALANCERS)


def named(row):
    return {name: jnp.float32(x) for name, x in zip(NAMES, row, strict=True)}


def history(balancer, terms=RUN, norms=NORMS):
    """Returns the weights of every step (T, 3) and the states."""
    state = balancer.init(NAMES)
    weights, states = [], []
    for row, norm in zip(terms, norms, strict=True):
        w, penalty, state = balancer.update(named(row), state, named(norm))
        assert penalty == 0
        weights.append([float(w[name]) for name in NAMES])
        states.append(state)
    return np.array(weights), states


# Uncertainty: Kendall, Gal and Cipolla, CVPR 2018, the classification term of equation 10,
# L / sigma^2 + log sigma.


def test_uncertainty_is_its_equation():
    s = RNG.normal(size=3)
    sigma = np.exp(s / 2)
    weights, penalty, state = uncertainty().update(named(RUN[0]), named(s), None)
    total = sum(weights[name] * x for name, x in zip(NAMES, RUN[0], strict=True)) + penalty
    np.testing.assert_allclose(total, np.sum(RUN[0] / sigma**2 + np.log(sigma)), rtol=1e-5)
    assert state == named(s)


def test_uncertainty_starts_at_the_plain_sum():
    weights, penalty, _ = uncertainty().update(named(RUN[0]), uncertainty().init(NAMES), None)
    assert weights == named([1, 1, 1])
    assert penalty == 0


def test_uncertainty_slopes_are_closed_form():
    # d/ds (exp(-s) L + s / 2) and d/dL.
    balanced = balance(combine({"a": lambda a: a}), uncertainty())
    slopes = jax.grad(lambda s, a: balanced({"a": s}, a=a)[0], argnums=(0, 1))
    s, L = 0.7, 3.0
    ds, dL = slopes(jnp.float32(s), jnp.float32(L))
    np.testing.assert_allclose(ds, 0.5 - np.exp(-s) * L, rtol=1e-5)
    np.testing.assert_allclose(dL, np.exp(-s), rtol=1e-5)


def test_log_variances_train_with_the_parameters_to_their_optimum():
    # Terms that bottom out at 1e-2, 1 and 30: the weights have to end at 1 / (2 L).
    floors = {"a": 0.01, "b": 1.0, "c": 30.0}
    terms = {
        name: lambda x, name=name, floor=floor: floor * (1 + jnp.square(x[name] - 1))
        for name, floor in floors.items()
    }
    balanced = balance(combine(terms), uncertainty())
    params = {"x": named([0, 0, 0]), "log_variances": balanced.init()}

    def loss(params):
        total, (terms, state) = balanced(params["log_variances"], x=params["x"])
        return total, (terms, state)

    optimizer = optax.adam(optax.exponential_decay(0.2, 200, 0.5))

    @jax.jit
    def train(params):
        def step(carry, _):
            params, state = carry
            slope, _ = jax.grad(loss, has_aux=True)(params)
            updates, state = optimizer.update(slope, state)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, optimizer.init(params)), None, 1000)[0][0]

    with jax.numpy_dtype_promotion("standard"):
        params = train(params)
    for name, floor in floors.items():
        precision = np.exp(-params["log_variances"][name])
        np.testing.assert_allclose(precision, 1 / (2 * floor), rtol=1e-2)
        np.testing.assert_allclose(params["x"][name], 1, atol=1e-2)


# ReLoBRaLo: Bischof and Kraus, 2021, arXiv:2110.09813.


def shares(now, then, temperature):
    x = np.exp(now / (temperature * then))
    return len(now) * x / x.sum()


@pytest.mark.parametrize("rho", [0.0, 1.0])
@pytest.mark.parametrize(("alpha", "temperature"), [(0.0, 1.0), (0.9, 0.5), (0.999, 2.0)])
def test_relobralo_is_its_equations(alpha, rho, temperature):
    # With rho = 0 or 1 nothing is random.
    got, _ = history(relobralo(alpha=alpha, rho=rho, temperature=temperature))
    weights = np.ones(3)
    np.testing.assert_allclose(got[0], weights)
    for t in range(1, STEPS):
        back = shares(RUN[t], RUN[0], temperature)
        recent = shares(RUN[t], RUN[t - 1], temperature)
        weights = alpha * (rho * weights + (1 - rho) * back) + (1 - alpha) * recent
        np.testing.assert_allclose(got[t], weights, rtol=1e-5)
    np.testing.assert_allclose(got.sum(axis=1), 3, rtol=1e-5)


def test_relobralo_looks_back_as_often_as_its_probability_says():
    # With alpha = 1 the weights change only when it looks back. Terms that jump between
    # two values make every look back visible.
    T, rho = 400, 0.75
    run = np.where(np.arange(T)[:, None] % 2, [1.0, 2.0, 3.0], [3.0, 1.0, 2.0]) + 0.01
    balancer = relobralo(alpha=1.0, rho=rho, seed=3)
    rows = {name: jnp.asarray(run[:, i], jnp.float32) for i, name in enumerate(NAMES)}

    def step(state, terms):
        weights, _, state = balancer.update(terms, state, None)
        return state, (weights["a"], state.last["a"])

    _, (w, _) = jax.jit(lambda: jax.lax.scan(step, balancer.init(NAMES), rows))()
    w = np.asarray(w)[1:]
    targets = np.array([shares(r, run[0], 1.0)[0] for r in run])[1:]
    looked = np.isclose(w, targets, rtol=1e-4)
    kept = np.isclose(w[1:], w[:-1], rtol=1e-6)
    assert np.all(looked[1:] | kept)
    # A look back at the same value as the last one counts as one too: half of the kept.
    frequency = np.mean(~kept) / np.mean(~np.isclose(targets[1:], targets[:-1]))
    assert abs(frequency - (1 - rho) / 2) < 0.05


def test_relobralo_seeds():
    runs = [history(relobralo(alpha=0.5, rho=0.5, seed=s))[0] for s in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])


# GradNorm: Chen, Badrinarayanan, Lee and Rabinovich, ICML 2018, equations 1 and 2.


@pytest.mark.parametrize(("alpha", "rate"), [(0.0, 0.025), (0.5, 0.025), (1.5, 0.025), (1.5, 1.0)])
def test_gradnorm_is_its_equations(alpha, rate):
    """With the last rate weights would fall below 0."""
    got, _ = history(gradnorm(alpha=alpha, optimizer=optax.sgd(rate)))
    weights = np.ones(3)
    for t in range(STEPS):
        progress = RUN[t] / RUN[0]
        pace = progress / progress.mean()
        G = weights * NORMS[t]
        target = G.mean() * pace**alpha  # a constant for the gradient
        slope = np.sign(G - target) * NORMS[t]  # of sum_i |w_i norm_i - target_i|
        weights = np.maximum(weights - rate * slope, 1e-6)
        weights *= 3 / weights.sum()
        np.testing.assert_allclose(got[t], weights, rtol=1e-4)


@pytest.mark.parametrize("make", [gradnorm, relobralo])
def test_a_term_that_starts_at_zero_is_measured_from_its_first_value(make):
    """The stability loss is 0 until subspaces have moved."""
    late = RUN.copy()
    late[0, 1] = 0.0
    late[1:, 1] = 3.0 * late[1:, 0] / late[1, 0]  # later it falls as another one does
    weights, states = history(make(), late, np.ones_like(late))
    assert float(states[-1].first["b"]) == late[1, 1]
    assert np.all(np.isfinite(weights))
    if make is gradnorm:
        # All of equal gradients: the one that fell least since it began has the most weight.
        assert np.argmax(weights[-1]) == 2
        assert weights[-1, 1] > weights[-1, 0] > 0.5


def test_gradnorm_takes_any_optimizer():
    with jax.numpy_dtype_promotion("standard"):
        got, states = history(gradnorm(optimizer=optax.adam(0.01)))
    np.testing.assert_allclose(got.sum(axis=1), 3, rtol=1e-5)
    assert int(states[-1].optimizer[0].count) == STEPS


def test_gradnorm_evens_the_norms_out():
    norms = np.tile([10.0, 1.0, 0.1], (3000, 1))
    balancer = gradnorm(alpha=0.0, optimizer=optax.sgd(1e-3))

    def step(state, _):
        weights, _, state = balancer.update(named([1, 1, 1]), state, named(norms[0]))
        return state, weights

    _, w = jax.lax.scan(step, balancer.init(NAMES), None, 3000)
    G = np.array([w[n][-1] * x for n, x in zip(NAMES, norms[0], strict=True)])
    assert G.max() / G.min() < 1.2 < 100


def test_inputs_may_be_named_state_and_self():
    objective = combine({"a": lambda state: state, "b": lambda self: 2 * self})
    balanced = balance(objective, relobralo())
    given = {"state": jnp.array(1.0), "self": jnp.array(3.0)}
    _, (terms, _) = balanced(balanced.init(), **given)
    chex.assert_trees_all_equal(terms, {"a": given["state"], "b": 2 * given["self"]})


def test_variables_of_a_module_are_a_state():
    balanced = balance(combine({"a": lambda x: x}), uncertainty())
    held = nnx.Dict({name: nnx.Param(s + 0.5) for name, s in balanced.init().items()})

    def total(held):
        return balanced(held, x=jnp.array(3.0))[0]

    plain = {"a": held["a"][...]}
    value, slope = nnx.value_and_grad(total)(held)
    expected, gradient = jax.value_and_grad(total)(plain)
    np.testing.assert_allclose(value, expected)
    np.testing.assert_allclose(slope["a"][...], gradient["a"])


# Gradient norms: Wang, Sankaran, Wang and Perdikaris, 2023, arXiv:2308.08468.


@pytest.mark.parametrize("decay", [0.0, 0.9, 1.0])
def test_gradient_norm_balance_is_its_equation(decay):
    got, _ = history(gradient_norm_balance(decay=decay))
    weights = np.ones(3)
    for t in range(STEPS):
        weights = decay * weights + (1 - decay) * NORMS[t].sum() / NORMS[t]
        np.testing.assert_allclose(got[t], weights, rtol=1e-5)


def test_gradient_norm_balance_makes_norms_equal():
    got, _ = history(gradient_norm_balance(decay=0.0))
    weighted = got * NORMS
    np.testing.assert_allclose(weighted, NORMS.sum(axis=1, keepdims=True) * np.ones(3), rtol=1e-5)


def test_gradient_norms_are_those_of_plain_gradients():
    params = {"w": jnp.arange(6.0).reshape(2, 3), "deep": {"b": jnp.ones(2)}}
    terms = {
        "a": lambda p: jnp.sum(jnp.sin(p["w"])) + p["deep"]["b"][0],
        "b": lambda p: jnp.sum(p["deep"]["b"] ** 3),
        "c": lambda p: jnp.float32(4.0),
    }
    norms = jax.jit(lambda p: gradient_norms(lambda p: {n: f(p) for n, f in terms.items()}, p))(
        params
    )
    for name, f in terms.items():
        flat, _ = jax.flatten_util.ravel_pytree(jax.grad(f)(params))
        np.testing.assert_allclose(norms[name], np.linalg.norm(flat), rtol=1e-5)
    assert norms["c"] == 0


def test_gradient_norms_run_the_forward_pass_once():
    calls = []

    def forward(p):
        calls.append(1)
        return {name: jnp.sum(p**k) for k, name in enumerate(NAMES, 1)}

    gradient_norms(forward, jnp.ones(2))
    assert len(calls) == 1


def test_gradient_norms_take_integers_and_keys_as_constants():
    params = {"w": jnp.ones(4), "steps": jnp.zeros((), jnp.int32), "key": jax.random.key(0)}
    norms = gradient_norms(lambda p: {"a": jnp.where(p["steps"] == 0, jnp.sum(p["w"]), 0)}, params)
    np.testing.assert_allclose(norms["a"], 2.0)


def test_gradient_norms_of_complex_parameters():
    params = {"spectrum": jnp.array([1.0 + 2.0j, 0.5j]), "bias": jnp.array(3.0)}

    def terms(p):
        return {"a": jnp.sum(jnp.abs(p["spectrum"]) ** 2) + p["bias"]}

    norm = gradient_norms(terms, params)["a"]
    np.testing.assert_allclose(norm, np.sqrt(4 * (1 + 4 + 0.25) + 1), rtol=1e-6)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-24, 1.0, 1e25, np.inf, np.nan])
def test_gradient_norms_neither_under_nor_overflow(size):
    norm = gradient_norms(lambda p: {"a": jnp.float32(size) * jnp.sum(p)}, jnp.zeros(4))["a"]
    np.testing.assert_allclose(norm, 2 * np.float32(size), rtol=1e-6)


@every_balancer
def test_states_can_be_donated(make):
    balancer = make()
    update = jax.jit(balancer.update, donate_argnums=1)
    kept, state = balancer.init(NAMES), balancer.init(NAMES)
    for row, norm in zip(RUN[:3], NORMS, strict=False):
        expected, _, kept = balancer.update(named(row), kept, named(norm))
        weights, _, state = update(named(row), state, named(norm))
        chex.assert_trees_all_close(weights, expected, rtol=1e-5)


def test_gradient_norms_of_low_precision_are_float32():
    norms = gradient_norms(lambda p: {"a": jnp.sum(p)}, jnp.ones(4096, jnp.float16))
    assert norms["a"] == 64
    assert norms["a"].dtype == jnp.float32


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (lambda p: p, TypeError, r"function\(params\) must be a mapping"),
        (lambda p: {}, ValueError, r"function\(params\) must be a mapping with at least one"),
        (lambda p: {"a": p}, ValueError, r"the term 'a' must be a scalar, got shape \(2,\)"),
        (lambda p: {"a": jnp.int32(1)}, TypeError, "the term 'a' must be"),
    ],
)
def test_gradient_norms_errors(function, kind, message):
    with pytest.raises(kind, match=f"^gradient_norms: {message}"):
        gradient_norms(function, jnp.ones(2))


# What holds for all of them.


def simple(weights=None):
    return combine(
        {"a": lambda x: jnp.sum(x**2), "b": lambda x: jnp.sum(x), "c": lambda y: y}, weights
    )


INPUTS = {"x": jnp.array([1.0, 2.0]), "y": jnp.float32(0.5)}
TERM_NORMS = {name: jnp.float32(x) for name, x in zip(NAMES, (4.0, 2.0, 1.0), strict=True)}


@every_balancer
def test_one_call_switches_an_objective(make):
    balanced = balance(simple(), make())
    state = balanced.init()
    for _ in range(3):
        total, (terms, new) = balanced(state, norms=TERM_NORMS, **INPUTS)
        weights, penalty, _ = balanced.balancer.update(terms, state, TERM_NORMS)
        np.testing.assert_allclose(
            total, sum(weights[n] * terms[n] for n in NAMES) + penalty, rtol=1e-6
        )
        assert terms == {"a": 5.0, "b": 3.0, "c": 0.5}
        assert jax.tree.structure(new) == jax.tree.structure(state)
        state = new


@every_balancer
def test_weights_are_constants_to_the_gradient(make):
    balanced = balance(simple(), make())
    state = balanced.init()

    def loss(y):
        return balanced(state, norms=TERM_NORMS, x=INPUTS["x"], y=y)

    slope, (terms, _) = jax.grad(loss, has_aux=True)(INPUTS["y"])
    weights, _, _ = balanced.balancer.update(terms, state, TERM_NORMS)
    np.testing.assert_allclose(slope, weights["c"], rtol=1e-6)


@every_balancer
def test_weights_and_schedules_of_the_objective_multiply(make):
    balanced = balance(simple({"a": 0.25, "c": lambda step: 2 * step, "b": 0}), make())
    state = balanced.init()
    total, (terms, _) = balanced(state, step=3, norms=TERM_NORMS, **INPUTS)
    weights, penalty, _ = balanced.balancer.update(terms, state, TERM_NORMS)
    wanted = 0.25 * weights["a"] * terms["a"] + 6 * weights["c"] * terms["c"] + penalty
    np.testing.assert_allclose(total, wanted, rtol=1e-6)


@every_balancer
def test_nested_terms_are_balanced_as_one(make):
    outer = combine({"inner": simple(), "z": lambda z: z})
    balanced = balance(outer, make())
    norms = {"inner": jnp.float32(1.0), "z": jnp.float32(2.0), "inner/a": jnp.float32(9.0)}
    _, (terms, _) = balanced(balanced.init(), norms=norms, z=jnp.float32(1.0), **INPUTS)
    assert sorted(terms) == ["inner", "inner/a", "inner/b", "inner/c", "z"]


@every_balancer
def test_jit_scan_and_vmap_agree_with_a_loop_in_one_trace(make):
    balanced = balance(simple(), make())
    ys = jnp.linspace(0.5, 2.0, 4)
    chex.clear_trace_counter()  # it counts by name, and this function is made four times

    @jax.jit
    @chex.assert_max_traces(1)
    def step(state, y):
        total, (terms, state) = balanced(state, step=y, norms=TERM_NORMS, x=INPUTS["x"] * y, y=y)
        return state, (total, terms)

    state, loop = balanced.init(), []
    for y in ys:
        state, out = step(state, y)
        loop.append(out)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *loop)
    final, scanned = jax.lax.scan(step, balanced.init(), ys)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), scanned, stacked)
    assert jax.tree.structure(final) == jax.tree.structure(state)
    first = jax.vmap(lambda y: step.__wrapped__.__wrapped__(balanced.init(), y)[1])(ys)
    np.testing.assert_allclose(first[0][0], stacked[0][0], rtol=1e-5)


@every_balancer
@pytest.mark.parametrize("dead", [("a",), NAMES])
def test_dead_terms_stay_finite(make, dead):
    terms = np.where(np.isin(NAMES, dead), 0.0, RUN)
    norms = np.where(np.isin(NAMES, dead), 0.0, NORMS)
    balancer = make()
    state = balancer.init(NAMES)
    for row, norm in zip(terms, norms, strict=True):
        weights, penalty, state = balancer.update(named(row), state, named(norm))
        assert np.isfinite(penalty)
        assert all(np.isfinite(w) for w in weights.values())
        assert all(w > 0 for w in weights.values())


@every_balancer
def test_weights_are_float32_also_for_low_precision_and_x64(make):
    with jax.enable_x64(True):
        balanced = balance(combine({"a": lambda x: x, "b": lambda x: x**2}), make())
        norms = {"a": jnp.float16(1.0), "b": jnp.float16(2.0)}
        total, (terms, state) = balanced(balanced.init(), norms=norms, x=jnp.float16(2.0))
    assert total.dtype == jnp.float32
    assert terms["a"].dtype == jnp.float16
    floating = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert all(x.dtype == jnp.float32 for x in floating)


def test_a_balancer_of_ones_own():
    def init(names):
        return {name: jnp.float32(0.0) for name in names}

    def update(terms, state, norms):
        state = {name: jnp.maximum(state[name], terms[name]) for name in terms}
        return {name: 1 / state[name] for name in terms}, jnp.float32(0.0), state

    balanced = balance(simple(), Balancer(init, update))
    assert isinstance(balanced, Balanced)
    total, _ = balanced(balanced.init(), **INPUTS)
    assert total == 3.0


def test_repr():
    assert repr(balance(combine({"a": np.sum}, {"a": 2.0}), relobralo())) == (
        "balance(combine(\n  a: 2.0 * sum,\n), relobralo)"
    )
    assert repr(balance(combine({"a": np.sum}), gradnorm())).endswith("gradnorm)")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: balance(lambda x: x, uncertainty()), TypeError, "balance: objective must be"),
        (lambda: balance(simple(), uncertainty), TypeError, "balance: balancer must be a Balancer"),
        (lambda: relobralo(alpha=1.5), ValueError, r"relobralo: alpha must be in \[0, 1\]"),
        (lambda: relobralo(rho=-0.1), ValueError, r"relobralo: rho must be in \[0, 1\]"),
        (lambda: relobralo(temperature=0.0), ValueError, "relobralo: temperature must be .*> 0"),
        (lambda: relobralo(seed=-1), ValueError, "relobralo: seed must be at least 0"),
        (lambda: relobralo(seed=1.5), TypeError, "relobralo: seed must be an int"),
        (lambda: gradnorm(alpha=-1.0), ValueError, "gradnorm: alpha must be .*>= 0"),
        (lambda: gradnorm(alpha="a"), TypeError, "gradnorm: alpha must be a number"),
        (lambda: gradnorm(optimizer=0.1), TypeError, "gradnorm: optimizer must be"),
        (lambda: gradient_norm_balance(decay=2), ValueError, "gradient_norm_balance: decay must"),
    ],
)
def test_errors_when_made(call, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        call()


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("make", "given", "message"),
    [
        (gradnorm, {}, "norms must be the gradient norms of the terms, got None"),
        (gradient_norm_balance, {"norms": {"a": 1.0, "b": 1.0}}, "norms must be .*holds 'c'"),
        (uncertainty, {"z": 1.0}, "the inputs must be .*unknown name 'z'"),
    ],
)
def test_errors_when_called(make, given, message, jit):
    balanced = balance(simple(), make())

    def call(state, inputs):
        return balanced(state, **inputs)

    with pytest.raises(ValueError, match=message):
        (jax.jit(call) if jit else call)(balanced.init(), INPUTS | given)


@every_balancer
def test_a_state_of_other_terms(make):
    balanced = balance(simple(), make())
    other = balance(combine({"a": lambda x: x}), make()).init()
    for state in (other, None, balance(simple(), BALANCERS["relobralo"]()).init):
        with pytest.raises(ValueError, match=r"^balance: state must be .*'a', 'b', 'c'"):
            balanced(state, norms=TERM_NORMS, **INPUTS)


# A badly scaled pair: one hidden layer is to fit a large and noisy quantity, and a small
# one whose loss is 1e5 (or 1e2) times smaller. Adam alone spends the layer on the noise.


def sample(key, scales, rows=32):
    keys = jax.random.split(key)
    x = jax.random.normal(keys[0], (rows, 4))
    clean = jnp.stack([x[:, 0] * x[:, 1], jnp.sin(2 * x[:, 2])], axis=1)
    noise = jax.random.normal(keys[1], (rows, 2)) * jnp.array([[1.0, 0.0]])
    return x, clean * jnp.array([scales]), (clean + noise) * jnp.array([scales])


@functools.cache
def fit(make, scales, steps=300):
    """Trains both at once, in one scan; returns R^2 of the small quantity on new data."""

    def predict(params, x):
        return jnp.tanh(x @ params["hidden"]) @ params["out"]

    def error(params, x, y, i):
        return jnp.mean(jnp.square(predict(params, x)[:, i] - y[:, i]))

    objective = combine(
        {
            "large": lambda params, x, y: error(params, x, y, 0),
            "small": lambda params, x, y: error(params, x, y, 1),
        }
    )
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "hidden": jax.random.normal(keys[0], (4, 16)) / 2,
        "out": jax.random.normal(keys[1], (16, 2)) / 4,
    }
    balanced = None if make is None else balance(objective, make())
    state = () if balanced is None else balanced.init()
    learned = make is uncertainty
    optimizer = optax.partition(
        {"params": optax.adam(1e-2), "log_variances": optax.adam(0.1)},
        {"params": "params", "log_variances": "log_variances"},
    )

    def loss(trained, state, norms, x, y):
        given = {"params": trained["params"], "x": x, "y": y}
        if balanced is None:
            return objective(**given)[0], state
        total, (_, state) = balanced(
            trained["log_variances"] if learned else state, norms=norms, **given
        )
        return total, state

    def step(carry, key):
        trained, state, inner = carry
        x, _, y = sample(key, scales)
        norms = None
        if balanced is not None and balanced.balancer.needs_norms:
            norms = gradient_norms(
                lambda params: objective(params=params, x=x, y=y)[1], trained["params"]
            )
        slope, state = jax.grad(loss, has_aux=True)(trained, state, norms, x, y)
        updates, inner = optimizer.update(slope, inner, trained)
        return (optax.apply_updates(trained, updates), state, inner), None

    trained = {"params": params, "log_variances": state if learned else ()}
    carry = (trained, state, optimizer.init(trained))
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, jax.random.split(keys[2], steps)))
    (trained, _, _), _ = run(carry)
    x, clean, _ = sample(jax.random.key(1), scales, 512)
    residual = predict(trained["params"], x) - clean
    return 1 - np.var(residual[:, 1]) / np.var(clean[:, 1])


@pytest.mark.parametrize(
    ("make", "scales"),
    [
        (uncertainty, (30.0, 0.1)),
        (gradient_norm_balance, (30.0, 0.1)),
        # Its additive steps reach milder ratios of weights alone.
        (lambda: gradnorm(alpha=0.5, optimizer=optax.sgd(0.01)), (3.0, 0.3)),
    ],
    ids=["uncertainty", "gradient_norm_balance", "gradnorm"],
)
def test_balancing_helps_a_badly_scaled_pair(make, scales):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        plain, balanced = fit(None, scales), fit(make, scales)
    assert balanced > 0.75
    assert balanced > plain + 0.1

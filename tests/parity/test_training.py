"""Training with SPACE in torch and in JAX follows one path."""

import contextlib
import io

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

torch = pytest.importorskip("torch")
spacelearn = pytest.importorskip("spacelearn")

import spacelearn_jax as sl  # noqa: E402

from . import generate  # noqa: E402

pytestmark = pytest.mark.parity

STEPS, RESOLVE, BATCH, N_DIR = 200, 20, 64, 4
N, INPUTS, HIDDEN, LATENT = 256, 6, 16, 8

# Relative, of every loss on the way; and of the entries of the final projectors.
PROMISED = 1e-6


def data(quantities):
    """Inputs and targets: products and squares of the inputs, none of them linear."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((N, INPUTS))
    every = {
        "energy": np.stack([x[:, 0] ** 2, 0.6 * x[:, 0] * x[:, 1], 0.3 * x[:, 1] ** 2], 1),
        "pressure": np.stack([x[:, 2] * x[:, 3], 0.5 * np.sin(2 * x[:, 2])], 1).reshape(N, 1, 2),
        "strain": np.stack([np.abs(x[:, 4]), 0.5 * x[:, 4] * x[:, 5]], 1),
    }
    return x, {name: every[name] for name in quantities}


def initial():
    """Weights of encoder and decoder, two layers each, as every framework calls them."""
    rng = np.random.default_rng(8)
    sizes = {"e1": (INPUTS, HIDDEN), "e2": (HIDDEN, LATENT), "d1": (LATENT, INPUTS)}
    weights = {}
    for name, (n_in, n_out) in sizes.items():
        weights[f"{name}.w"] = rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)
        weights[f"{name}.b"] = 0.1 * rng.standard_normal(n_out)
    return weights


def batches():
    """Rows of every step."""
    rng = np.random.default_rng(9)
    return [rng.permutation(N)[:BATCH] for _ in range(STEPS)]


def network(tanh, params, x):
    """Latents and reconstruction; the arithmetic is the same in both frameworks.

    The decoder matters: SPACE centres the latents, so without it the last bias would
    have a gradient of nothing but rounding, which Adam blows up to full steps.
    """
    h = tanh(x @ params["e1.w"] + params["e1.b"].reshape(1, -1))
    Z = h @ params["e2.w"] + params["e2.b"].reshape(1, -1)
    return Z, Z @ params["d1.w"] + params["d1.b"].reshape(1, -1)


def train_torch(optimizer, rate, quantities, ks):
    x, Y = data(quantities)
    x, Y = torch.from_numpy(x), {n: torch.from_numpy(y) for n, y in Y.items()}
    params = {n: torch.from_numpy(w).requires_grad_() for n, w in initial().items()}
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    opt = make(params.values(), lr=rate)

    def solve():
        with torch.no_grad():
            Z, _ = network(torch.tanh, params, x)
            return spacelearn.solve_subspaces(Z, Y, k=ks)

    losses, space, before = [], None, None
    with generate.original(), contextlib.redirect_stdout(io.StringIO()):
        for step, rows in enumerate(batches()):
            if step % RESOLVE == 0:
                before, space = space, solve()
            Z, recon = network(torch.tanh, params, x[rows])
            loss = (
                spacelearn.combined_loss(
                    Z,
                    space.W,
                    space.A,
                    {n: y[rows] for n, y in Y.items()},
                    None if before is None else before.W,
                    n_dir=N_DIR,
                )
                + ((recon - x[rows]) ** 2).mean()
            )
            opt.zero_grad()
            loss.backward()
            opt.step()
            losses.append(loss.item())
        space = solve()
    return np.array(losses), {n: w.numpy() for n, w in space.W.items()}


def train_jax(optimizer, rate, quantities, ks):
    x, Y = data(quantities)
    x, Y = jnp.asarray(x), {n: jnp.asarray(y) for n, y in Y.items()}
    params = {n: jnp.asarray(w) for n, w in initial().items()}
    opt = {"sgd": optax.sgd, "adam": optax.adam}[optimizer](rate)
    state = opt.init(params)

    @jax.jit
    def solve(params):
        Z, _ = network(jnp.tanh, params, x)
        return sl.solve_subspaces(Z, Y, k=ks)

    @jax.jit
    def update(params, state, space, W_prev, rows):
        def objective(params):
            Z, recon = network(jnp.tanh, params, x[rows])
            targets = {n: y[rows] for n, y in Y.items()}
            guided = sl.combined_loss(Z, space.W, space.A, targets, W_prev, n_dir=N_DIR)
            return guided + jnp.mean((recon - x[rows]) ** 2)

        loss, grads = jax.value_and_grad(objective)(params)
        updates, state = opt.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    losses, space, before = [], None, None
    for step, rows in enumerate(batches()):
        if step % RESOLVE == 0:
            before, space = space, solve(params)
        W_prev = None if before is None else before.W
        params, state, loss = update(params, state, space, W_prev, jnp.asarray(rows))
        losses.append(float(loss))
    return np.array(losses), {n: np.asarray(w) for n, w in solve(params).W.items()}


def deviations(optimizer, rate, ks):
    """Losses, their largest relative deviation, and the largest of a projector's entries."""
    theirs, W_theirs = train_torch(optimizer, rate, tuple(ks), ks)
    # optax raises a float64 to an int32 power; strict promotion is this suite's own rule.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        ours, W_ours = train_jax(optimizer, rate, tuple(ks), ks)
    loss = np.max(np.abs(ours - theirs) / np.abs(theirs))
    projector = max(np.max(np.abs(W_ours[q].T @ W_ours[q] - w.T @ w)) for q, w in W_theirs.items())
    return theirs, loss, projector


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.05), ("adam", 0.005)])
def test_three_quantities(optimizer, rate):
    """Promised: 1e-6 for both.

    Measured (torch 2.13.0, jax 0.10.2, CPU): SGD 2.0e-8 in the losses and 9.1e-9 in the
    final projectors, Adam 2.6e-8 and 1.2e-8. Both come from the original, which sums the
    three pairs of disentanglement in float32 and hands every pair float32's 1/3 as its
    gradient, off by 3e-8 of it. The problem leaves them there: its learning rates are
    modest, and the scales of its targets keep singular values apart.
    """
    losses, loss, projector = deviations(optimizer, rate, {"energy": 2, "pressure": 2, "strain": 1})
    assert loss < PROMISED
    assert projector < PROMISED
    # It is training: without the jump of the stability term after every new solve, which
    # the original's metric has, the loss falls.
    assert losses[RESOLVE - 1 :: RESOLVE][-1] < 0.7 * losses[RESOLVE - 1]


def test_two_quantities():
    """One pair has the gradient 1, exact in float32 too, and the paths agree to float64.

    Measured: 1.3e-8 in the losses, whose disentanglement is a float32 number there, and
    2.4e-14 in the final projectors after 200 steps of Adam.
    """
    _, loss, projector = deviations("adam", 0.005, {"energy": 2, "pressure": 2})
    assert loss < PROMISED
    assert projector < 1e-11

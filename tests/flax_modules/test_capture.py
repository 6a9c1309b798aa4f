"""Latents from inside a network, convolutional feature maps included."""

import warnings

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from spacelearn_jax import flax_linen, flax_nnx
from spacelearn_jax.loss import alignment_loss
from spacelearn_jax.training import as_latents

IMAGES = np.random.default_rng(0).normal(size=(6, 5, 4, 1)).astype(np.float32)
SIZES = {0: 5 * 4 * 3, (0, 1, 2): 3}


def targets(batch_axes):
    """Returns the mean of every image, or the value of every pixel."""
    return {"ink": IMAGES.mean((1, 2, 3)) if batch_axes == 0 else IMAGES.reshape(-1)}


class Convolutional(nnx.Module):
    def __init__(self, D, sow=False):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(1, 3, (3, 3), rngs=rngs)
        self.head = nnx.Linear(3, 1, rngs=rngs)
        self.tracker = flax_nnx.SubspaceTracker(D, {"ink": ()}, k=1, every=2)
        self.sow_features = sow

    def __call__(self, x):
        h = nnx.relu(self.conv(x))
        if self.sow_features:
            self.sow(nnx.Intermediate, "features", h)
        return self.head(h.mean((1, 2)))


needs_capture = pytest.mark.skipif(
    not hasattr(nnx, "capture"), reason="nnx.capture came with Flax 0.12.6"
)


def captured(model):
    if model.sow_features:
        y, seen = nnx.capture(model, nnx.Intermediate)(IMAGES)
        return y, seen["features"][0]
    forward = nnx.capture(model, nnx.Intermediate, method_outputs=nnx.Intermediate)
    y, seen = forward(IMAGES)
    return y, seen["conv"]["__call__"][0]


def popped(model):
    with warnings.catch_warnings():  # newer releases advise nnx.capture
        warnings.simplefilter("ignore", DeprecationWarning)
        y = model(IMAGES)
    return y, nnx.pop(model, nnx.Intermediate)["features"][0]


@pytest.mark.parametrize(
    ("take", "sow", "batch_axes"),
    [
        pytest.param(captured, True, 0, marks=needs_capture),
        pytest.param(captured, False, (0, 1, 2), marks=needs_capture),
        (popped, True, (0, 1, 2)),
    ],
)
def test_nnx(take, sow, batch_axes):
    model = Convolutional(SIZES[batch_axes], sow)
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    Y = targets(batch_axes)

    @nnx.jit
    def step(model, optimizer):
        def loss(model):
            _, features = take(model)
            z = as_latents(features, batch_axes)
            space = model.tracker(z, Y)
            return alignment_loss(z, space.W, space.A, Y)

        value, grads = nnx.value_and_grad(loss)(model)
        optimizer.update(model, grads)
        return value, grads

    (value, grads), (later, _) = step(model, optimizer), step(model, optimizer)
    assert float(jnp.abs(grads["conv"]["kernel"][...]).max()) > 0
    assert float(jnp.abs(grads["head"]["kernel"][...]).max()) == 0
    assert np.isfinite(float(value))
    assert float(later) < float(value)
    assert int(model.tracker.state.get_value().step) == 2
    assert not nnx.to_flat_state(nnx.state(model, nnx.Intermediate))


class LinenConvolutional(linen.Module):
    sow_features: bool

    @linen.compact
    def __call__(self, x):
        h = linen.relu(linen.Conv(3, (3, 3), name="conv")(x))
        if self.sow_features:
            self.sow("intermediates", "features", h)
        return linen.Dense(1, name="head")(h.mean((1, 2)))


@pytest.mark.parametrize(("sow", "batch_axes"), [(True, (0, 1, 2)), (False, 0)])
def test_linen(sow, batch_axes):
    model, tracker = LinenConvolutional(sow), flax_linen.SubspaceTracker(k=1, every=2)
    params = model.init(jax.random.key(0), IMAGES)["params"]
    Y = targets(batch_axes)

    def latents(params):
        _, changed = model.apply(
            {"params": params},
            IMAGES,
            capture_intermediates=False if sow else lambda module, _: module.name == "conv",
            mutable=["intermediates"],
        )
        seen = changed["intermediates"]
        assert set(flax.core.unfreeze(seen)) == {"features" if sow else "conv"}
        features = seen["features"][0] if sow else seen["conv"]["__call__"][0]
        return as_latents(features, batch_axes)

    variables = tracker.init(jax.random.key(0), latents(params), Y)

    @jax.jit
    def gradient(params, variables):
        def loss(params):
            z = latents(params)
            space, changed = tracker.apply(variables, z, Y, mutable=["space"])
            return alignment_loss(z, space.W, space.A, Y), changed

        return jax.value_and_grad(loss, has_aux=True)(params)

    (value, changed), grads = gradient(params, variables)
    assert changed["space"]["state"].space.z_mean.shape == (SIZES[batch_axes],)
    assert int(changed["space"]["state"].step) == 1
    assert float(jnp.abs(grads["conv"]["kernel"]).max()) > 0
    better = jax.tree.map(lambda p, g: p - 1e-2 * g, params, grads)
    assert float(gradient(better, variables)[0][0]) < float(value)

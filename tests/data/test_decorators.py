"""Decorators: which arguments they touch, however those are passed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import data

X = np.ones(3, np.float32)


def shapes(a, b=X, *rest, key=X, **others):
    """Reports the shapes it was given."""
    listed = {"a": a, "b": b, "key": key, "rest": rest, **others}
    return jax.tree.map(np.shape, listed)


def test_all_arrays_by_default():
    out = data.ensure_dim(shapes, dims=2)(X, X, X, key=X, extra=X)
    assert out == {name: (1, 3) for name in ("a", "b", "key", "extra")} | {"rest": ((1, 3),)}


def test_defaults_are_left_alone():
    assert data.ensure_dim(shapes, dims=2)(X)["b"] == (3,)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((X, X), {}), ((X,), {"b": X}), ((), {"a": X, "b": X})]
)
def test_targets_by_name(args, kwargs):
    """Positional arguments count by the name of their parameter."""
    out = data.ensure_dim(shapes, dims=2, targets=["b"])(*args, **kwargs)
    assert out["a"] == (3,)
    assert out["b"] == (1, 3)


def test_no_targets():
    assert data.ensure_dim(shapes, dims=2, targets=[])(X, X)["a"] == (3,)


def test_any_iterable_of_targets():
    out = data.ensure_dim(shapes, dims=2, targets=(name for name in "ab"))(X, X)
    assert (out["a"], out["b"], out["key"]) == ((1, 3), (1, 3), (3,))


def test_names_caught_by_kwargs():
    out = data.ensure_dim(shapes, dims=2, targets=["extra"])(X, extra=X)
    assert (out["a"], out["extra"]) == ((3,), (1, 3))


def test_only_arrays_are_touched():
    @data.ensure_dim(dims=3)
    def kinds(a, b, c):
        return a, b, c

    assert kinds([1.0], "x", None) == ([1.0], "x", None)


def test_enough_axes_stay():
    x = jnp.ones((2, 3, 4))
    assert data.ensure_dim(lambda x: x, dims=2)(x) is x


def test_wrapped_function_keeps_its_name():
    assert data.ensure_dim(shapes, dims=2).__name__ == "shapes"
    assert data.to_device(shapes).__doc__ == shapes.__doc__


def test_a_call_that_does_not_fit_reads_as_ever():
    """The words are Python's own, which name the function."""
    wrapped = data.ensure_dim(dims=2)(lambda field: field)
    with pytest.raises(TypeError, match=r"<lambda>\(\) missing 1 required positional argument"):
        wrapped()
    with pytest.raises(TypeError, match="unexpected keyword argument 'fild'"):
        wrapped(fild=X)


def test_methods_and_partials():
    class Net:
        @data.ensure_dim(dims=2)
        def forward(self, x):
            return x.shape

    assert Net().forward(X) == (1, 3)
    partial = data.ensure_dim(functools.partial(lambda x, n: (x.shape, n), n=2), dims=2)
    assert partial(X) == ((1, 3), 2)


def test_under_jit():
    wrapped = jax.jit(data.to_device(data.ensure_dim(lambda x: 2 * x, dims=2), device="cpu"))
    np.testing.assert_array_equal(wrapped(X), 2 * X[None])


@pytest.mark.parametrize(
    "device",
    ["cpu", "cpu:0", lambda: jax.devices()[0], lambda: jax.devices()[0].client.devices()[0]],
)
def test_device(device):
    device = device() if callable(device) else device
    moved = data.to_device(lambda a, b: (a, b), device=device, targets=["a"])(X, X)
    assert isinstance(moved[0], jax.Array)
    assert moved[1] is X
    if not isinstance(device, str):
        assert moved[0].devices() == {device}


def test_sharding():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    assert data.to_device(lambda x: x, device=sharding)(X).sharding == sharding


def test_an_array_of_text_is_no_array_for_a_device():
    names = np.array(["a", "b"])
    with pytest.raises(TypeError, match="an argument must be .* got dtype <U1.*targets"):
        data.to_device(lambda x, names: x)(X, names)
    assert data.to_device(lambda x, names: names, targets=["x"])(X, names) is names


def test_numpy_scalars_are_arrays_as_well():
    shape = data.ensure_dim(lambda x: np.shape(x), dims=2)
    assert shape(np.float32(1.0)) == shape(jnp.float32(1.0)) == (1, 1)
    assert shape(1.0) == ()

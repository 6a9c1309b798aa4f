"""Bad fields, functions and devices."""

import functools

import jax.numpy as jnp
import numpy as np

from .calls import FIELDS, Z, energy
from .ingredients import (
    DEVICES,
    Tensor,
    Traced,
    area,
    open_ended,
    positional_only,
    radius,
    speed,
)
from .row import Bad

ROWS = [
    Bad(
        "a scalar a sample",
        "pool",
        dict(chunks=Z[:, 0]),
        ValueError,
        (
            "chunks must be of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without empty "
            "axes, got shape (8,). A scalar a sample needs no pooling: leave it as it is."
        ),
    ),
    Bad(
        "a field without channels",
        "pool",
        dict(chunks=FIELDS["vorticity"][:, 0]),
        ValueError,
        (
            "chunks must be of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without empty "
            "axes, got shape (8, 4, 4). For a field (B, H, W) add a channel axis with "
            "field[:, None]."
        ),
    ),
    Bad(
        "a field of six axes",
        "pool",
        dict(chunks=np.ones((1, 1, 2, 2, 2, 2), np.float32)),
        ValueError,
        (
            "chunks must be of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without empty "
            "axes, got shape (1, 1, 2, 2, 2, 2). Reshape it so that the first axis counts "
            "samples."
        ),
    ),
    Bad(
        "an empty field",
        "pool",
        dict(chunks=Z[:, :0]),
        ValueError,
        (
            "chunks must be of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without empty "
            "axes, got shape (8, 0). Reshape it so that the first axis counts samples."
        ),
    ),
    Bad(
        "a complex field",
        "pool",
        dict(chunks=Z.astype(np.complex64)),
        TypeError,
        (
            "chunks must be of a floating, integer or bool dtype, got complex64. Pass real "
            "and imaginary parts as separate quantities."
        ),
    ),
    Bad(
        "a list for a field",
        "pool",
        dict(chunks=Z.tolist()),
        TypeError,
        ("chunks must be a JAX or NumPy array, got a list. Convert it with jnp.asarray(...)."),
    ),
    Bad(
        "a torch tensor for a field",
        "pool",
        dict(chunks=Tensor()),
        TypeError,
        (
            "chunks must be a JAX or NumPy array, got a torch.Tensor. Convert it with "
            "jnp.asarray(tensor.detach().cpu().numpy())."
        ),
    ),
    Bad(
        "no bins",
        "pool",
        dict(n_bins=0),
        ValueError,
        "n_bins must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a negative number of bins",
        "pool",
        dict(n_bins=-1),
        ValueError,
        "n_bins must be at least 1, got -1. Pass 1 or more.",
    ),
    Bad(
        "a fractional number of bins",
        "pool",
        dict(n_bins=2.0),
        TypeError,
        (
            "n_bins must be an int, got the float 2.0. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a bool for bins",
        "pool",
        dict(n_bins=True),
        TypeError,
        "n_bins must be an int, got the bool True. Pass a whole number.",
    ),
    Bad(
        "a pair of bins",
        "pool",
        dict(n_bins=(2, 2)),
        TypeError,
        "n_bins must be an int, got a tuple. Pass a whole number.",
    ),
    Bad(
        "more bins than can be counted",
        "pool",
        dict(n_bins=10**30),
        ValueError,
        ("n_bins must be at most 2147483647, got 1000000000000000000000000000000. Lower it."),
    ),
    Bad(
        "a traced number of bins",
        "pool",
        dict(n_bins=Traced(2)),
        TypeError,
        (
            "n_bins must be a Python int, since it fixes shapes, got a traced array. Mark it "
            "static (jax.jit static_argnames) or close over it."
        ),
    ),
    Bad(
        "a mode that doesn't exist",
        "pool",
        dict(mode="median"),
        ValueError,
        "mode must be one of 'avg', 'mean', 'max', got 'median'. Did you mean 'mean'?",
    ),
    Bad(
        "an unhashable mode",
        "pool",
        dict(mode=["avg"]),
        ValueError,
        "mode must be one of 'avg', 'mean', 'max', got a list. Pass one of these.",
    ),
    Bad(
        "an array for a mode",
        "pool",
        dict(mode=np.zeros(2)),
        ValueError,
        (
            "mode must be one of 'avg', 'mean', 'max', got an array of shape (2,) and dtype "
            "float64. Pass one of these."
        ),
    ),
    Bad(
        "None for a mode",
        "pool",
        dict(mode=None),
        ValueError,
        "mode must be one of 'avg', 'mean', 'max', got None. Pass one of these.",
    ),
    Bad(
        "no bins",
        "input_to_quantity",
        dict(n_bins=0),
        ValueError,
        "n_bins must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a fractional number of bins",
        "input_to_quantity",
        dict(n_bins=2.0),
        TypeError,
        (
            "n_bins must be an int, got the float 2.0. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a mode that doesn't exist",
        "input_to_quantity",
        dict(mode="sum"),
        ValueError,
        "mode must be one of 'avg', 'mean', 'max', got 'sum'. Pass one of these.",
    ),
    Bad(
        "no functions",
        "input_to_quantity",
        dict(functions=()),
        ValueError,
        (
            "the functions must be at least one, got none. Pass them by keyword, as in "
            "vorticity=function."
        ),
    ),
    Bad(
        "an array for a function",
        "input_to_quantity",
        dict(named={"energy": Z}, functions=()),
        TypeError,
        (
            "energy must be callable, got an array of shape (8, 5) and dtype float32. Pass "
            "the function itself, not its result."
        ),
    ),
    Bad(
        "an input that is missing",
        "input_to_quantity",
        dict(inputs={}),
        ValueError,
        ("the inputs must be a set that holds 'u', which 'energy' needs, got none. Add 'u' to it."),
    ),
    Bad(
        "a function that gives no field",
        "input_to_quantity",
        dict(inputs={"u": Z[:, 0]}),
        ValueError,
        (
            "the result of 'energy' must be of shape (B, S), (B, C, H, W) or (B, C, D, H, "
            "W), without empty axes, got shape (8,). A scalar a sample needs no pooling: "
            "leave it as it is."
        ),
    ),
    Bad(
        "no functions",
        "compute_Q",
        dict(functions=()),
        ValueError,
        (
            "the functions must be at least one, got none. Pass them by keyword, as in "
            "vorticity=function."
        ),
    ),
    Bad(
        "a result for a function",
        "compute_Q",
        dict(functions=(3.0,)),
        TypeError,
        (
            "every positional argument must be callable, got the float 3.0. Pass the "
            "function itself, not its result."
        ),
    ),
    Bad(
        "a lambda without a name",
        "compute_Q",
        dict(functions=(lambda u: u,)),
        ValueError,
        (
            "every positional function must be one with a name of its own, got a lambda. "
            "Give it one by keyword, as in vorticity=lambda field: field."
        ),
    ),
    Bad(
        "a partial without a name",
        "compute_Q",
        dict(functions=(functools.partial(energy),)),
        ValueError,
        (
            "every positional function must be one with a name of its own, got a partial. "
            "Give it one by keyword, as in vorticity=lambda field: field."
        ),
    ),
    Bad(
        "two functions of one name",
        "compute_Q",
        dict(functions=(energy, energy)),
        ValueError,
        (
            "the name 'energy' must be given once, got two functions of that name. Name one "
            "of them by keyword."
        ),
    ),
    Bad(
        "one name twice",
        "compute_Q",
        dict(named={"energy": lambda u: u}),
        ValueError,
        (
            "the name 'energy' must be given once, got two functions of that name. Name one "
            "of them by keyword."
        ),
    ),
    Bad(
        "None for a function",
        "compute_Q",
        dict(named={"speed": None}),
        TypeError,
        "speed must be callable, got None. Pass the function itself, not its result.",
    ),
    Bad(
        "a positional-only parameter",
        "compute_Q",
        dict(functions=(), named={"speed": positional_only}),
        TypeError,
        (
            "speed must be a function of named parameters, got the positional-only parameter "
            "'velocity'. Wrap it: lambda velocity: function(velocity)."
        ),
    ),
    Bad(
        "a function of inputs without names",
        "compute_Q",
        dict(functions=(), named={"speed": jnp.add}),
        TypeError,
        (
            "speed must be a function of named parameters, got one whose inputs have no names, "
            "*args. Wrap it: lambda x, y: function(x, y)."
        ),
    ),
    Bad(
        "a function without a signature",
        "compute_Q",
        dict(functions=(), named={"speed": max}),
        TypeError,
        (
            "speed must be a function with a signature, got a builtin_function_or_method. "
            "Wrap it: lambda field: function(field)."
        ),
    ),
    Bad(
        "two annotations of one parameter",
        "compute_Q",
        dict(functions=(), named={"area": area, "radius": radius}),
        TypeError,
        (
            "the parameter 'x' must be of one type, float as in 'area', got int in 'radius'. "
            "Both functions get the same value: make the annotations agree, or rename one "
            "parameter."
        ),
    ),
    Bad(
        "a misspelt input",
        "compute_Q",
        dict(functions=(), named={"speed": speed}, inputs={"velocty": Z}),
        ValueError,
        (
            "the inputs must be keyed by parameters of the functions, got the unknown name "
            "'velocty'. Did you mean 'velocity'?"
        ),
    ),
    Bad(
        "an input that is missing",
        "compute_Q",
        dict(functions=(), named={"speed": speed}, inputs={}),
        ValueError,
        (
            "the inputs must be a set that holds 'velocity', which 'speed' needs, got none. "
            "Add 'velocity' to it."
        ),
    ),
    Bad(
        "an input that is too much",
        "compute_Q",
        dict(inputs={"u": Z, "v": Z}),
        ValueError,
        (
            "the inputs must be keyed by parameters of the functions, got the unknown name "
            "'v'. Known names: 'u'."
        ),
    ),
    Bad(
        "an input that is spelt otherwise",
        "compute_Q",
        dict(functions=(energy,), named={"speed": open_ended}, inputs={"U": Z}),
        ValueError,
        (
            "the inputs must be a set that holds 'u', which 'energy' needs, got only 'U'. "
            "Add 'u' to it."
        ),
    ),
    Bad(
        "an input without a name",
        "compute_Q",
        dict(unnamed=(Z,), inputs={}),
        TypeError,
        ("the inputs must be named, got 1 without a name. Pass them by keyword, as in u=value."),
    ),
    Bad(
        "no axes",
        "ensure_dim",
        dict(dims=0),
        ValueError,
        "dims must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a fractional number of axes",
        "ensure_dim",
        dict(dims=4.0),
        TypeError,
        (
            "dims must be an int, got the float 4.0. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "None for axes",
        "ensure_dim",
        dict(dims=None),
        TypeError,
        "dims must be an int, got None. Pass a whole number.",
    ),
    Bad(
        "a bare name",
        "ensure_dim",
        dict(targets="u"),
        TypeError,
        "targets must be a list of names, got the str 'u'. Pass targets=['u'].",
    ),
    Bad(
        "a misspelt name",
        "ensure_dim",
        dict(targets=["field"]),
        ValueError,
        (
            "targets must be a list of parameters of the function, got the unknown name "
            "'field'. Known names: 'u'."
        ),
    ),
    Bad(
        "a name that is no string",
        "ensure_dim",
        dict(targets=[1]),
        TypeError,
        ("targets must be a list of names, got the int 1 among them. Name every one by a string."),
    ),
    Bad(
        "a number of names",
        "ensure_dim",
        dict(targets=1),
        TypeError,
        "targets must be a list of names, got the int 1. Pass targets=['name'].",
    ),
    Bad(
        "options for a function",
        "ensure_dim",
        dict(func=4),
        TypeError,
        ("func must be callable, got the int 4. Pass options by name, as in @ensure_dim(dims=4)."),
    ),
    Bad(
        "a function without a signature",
        "ensure_dim",
        dict(func=max),
        TypeError,
        (
            "func must be a function with a signature, got a builtin_function_or_method. "
            "Wrap it: lambda field: function(field)."
        ),
    ),
    Bad(
        "a bare name",
        "to_device",
        dict(targets="u"),
        TypeError,
        "targets must be a list of names, got the str 'u'. Pass targets=['u'].",
    ),
    Bad(
        "an unhashable name",
        "to_device",
        dict(targets=[["u"]]),
        TypeError,
        ("targets must be a list of names, got a list among them. Name every one by a string."),
    ),
    Bad(
        "a misspelt name",
        "to_device",
        dict(targets=["v"]),
        ValueError,
        (
            "targets must be a list of parameters of the function, got the unknown name 'v'. "
            "Known names: 'u'."
        ),
    ),
    Bad(
        "a device for a function",
        "to_device",
        dict(func="cpu"),
        TypeError,
        (
            "func must be callable, got the str 'cpu'. Pass options by name, as in "
            "@to_device(device='cpu')."
        ),
    ),
    Bad(
        "a device that isn't there",
        "to_device",
        dict(device="cpu:99"),
        ValueError,
        (
            f"device must be a device of this machine ({DEVICES}), got 'cpu:99'. Use one of "
            "these, or install the JAX build for that platform."
        ),
    ),
    Bad(
        "the last device counted from the end",
        "to_device",
        dict(device="cpu:-1"),
        ValueError,
        (
            f"device must be a device of this machine ({DEVICES}), got 'cpu:-1'. Use one of "
            "these, or install the JAX build for that platform."
        ),
    ),
    Bad(
        "a platform that isn't there",
        "to_device",
        dict(device="abacus"),
        ValueError,
        (
            f"device must be a device of this machine ({DEVICES}), got 'abacus'. Use one of "
            "these, or install the JAX build for that platform."
        ),
    ),
    Bad(
        "a platform without a name",
        "to_device",
        dict(device=""),
        ValueError,
        (
            f"device must be a device of this machine ({DEVICES}), got ''. Use one of these, or "
            "install the JAX build for that platform."
        ),
    ),
    Bad(
        "an index that is no number",
        "to_device",
        dict(device="cpu:one"),
        ValueError,
        (
            f"device must be a device of this machine ({DEVICES}), got 'cpu:one'. Use one of "
            "these, or install the JAX build for that platform."
        ),
    ),
    Bad(
        "None for a device",
        "to_device",
        dict(device=None),
        TypeError,
        (
            "device must be a platform name, a jax.Device or a sharding, got None. Pass "
            "'cpu', 'gpu' or 'tpu'."
        ),
    ),
    Bad(
        "a number for a device",
        "to_device",
        dict(device=0),
        TypeError,
        (
            "device must be a platform name, a jax.Device or a sharding, got the int 0. Pass "
            "'cpu', 'gpu' or 'tpu'."
        ),
    ),
]

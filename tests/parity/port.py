"""Runs the port on a case: the counterpart of ``generate.py``, without torch."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import spacelearn_jax as sl
from spacelearn_jax import data, linalg, loss, optim

from .cases import Case, leaves
from .well_defined import Inputs, Outputs


def weights(shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Fixed weights whose inner product with an output is differentiated."""
    return jnp.asarray(np.cos(np.arange(np.prod(shape))).reshape(shape), dtype)


def _of_latents(function: Callable[..., jax.Array], *names: str) -> Callable[..., dict]:
    """Value of a loss, and its gradient with respect to Z."""

    def run(inputs: Inputs, **options: Any) -> dict:
        def value(Z: jax.Array) -> jax.Array:
            return function(Z, *(inputs[name] for name in names), **options)

        value, grad = jax.value_and_grad(value)(inputs["Z"])
        return {"value": value, "grad_Z": grad}

    return run


def _stability(inputs: Inputs) -> dict:
    value, grad = jax.value_and_grad(loss.stability_loss)(inputs["W"], inputs["W_prev"])
    return {"value": value, "grad_W": grad}


def _principal_directions(inputs: Inputs, **options: Any) -> dict:
    found = sl.principal_directions(inputs["Z"], inputs["Y"], **options)
    return {"w": {n: w for n, (w, _) in found.items()}, "v": {n: v for n, (_, v) in found.items()}}


def _subspaces(inputs: Inputs, k: Any, **options: Any) -> dict:
    return sl.subspaces(inputs["Z"], inputs["Y"], k, **options)


def _solve_subspaces(inputs: Inputs, k: Any) -> dict:
    space = sl.solve_subspaces(inputs["Z"], inputs["Y"], k=k)
    return {"W": space.W, "A": space.A, "V": space.V}


def _fit_decoders(inputs: Inputs) -> dict:
    return optim.fit_decoders(inputs["W"], inputs["Z"], inputs["Y"])


def _subspace_change(inputs: Inputs) -> dict:
    change = dict(optim.subspace_change(inputs["W_old"], inputs["W_new"]))
    del change["principal_angles_deg"]
    return change


def _pool(inputs: Inputs, **options: Any) -> dict:
    def weighted(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        out = data.pool(x, **options)
        return jnp.sum(out * weights(out.shape, out.dtype)), out

    grad, out = jax.grad(weighted, has_aux=True)(inputs["x"])
    return {"value": out, "grad_x": grad}


def _compute_q(inputs: Inputs, positional: tuple, named: Mapping) -> dict:
    return data.compute_Q(*positional, **named)(**inputs)


def _input_to_quantity(
    inputs: Inputs, n_bins: int, mode: str, positional: tuple, named: Mapping
) -> dict:
    return data.input_to_quantity(n_bins, mode, *positional, **named)(**inputs)


def _as_given(u: Any, scale: Any) -> dict:
    return {"u": u, "scale": scale}


def _ensure_dim(inputs: Inputs, **options: Any) -> dict:
    return data.ensure_dim(_as_given, **options)(**inputs)


def _to_device(inputs: Inputs, **options: Any) -> dict:
    return data.to_device(_as_given, device="cpu", **options)(**inputs)


def _left(inputs: Inputs, **options: Any) -> dict:
    U, s = linalg.left(inputs["A"], **options)
    return {"U": U, "s": s}


def _right(inputs: Inputs, **options: Any) -> dict:
    Vt, s = linalg.right(inputs["A"], **options)
    return {"Vt": Vt, "s": s}


def _full(inputs: Inputs, **options: Any) -> dict:
    U, s, Vt = linalg.full(inputs["A"], **options)
    return {"U": U, "s": s, "Vt": Vt}


def _singular_values(inputs: Inputs, **options: Any) -> dict:
    def weighted(A: jax.Array) -> tuple[jax.Array, jax.Array]:
        s = linalg.singular_values(A, **options)
        return jnp.sum(s * weights(s.shape, s.dtype)), s

    grad, s = jax.grad(weighted, has_aux=True)(inputs["A"])
    return {"s": s, "grad_A": grad}


#: What can be jitted as a whole.
TRACEABLE: dict[str, Callable[..., dict]] = {
    "alignment": _of_latents(loss.alignment_loss, "W", "A", "Y"),
    "disentanglement": _of_latents(loss.disentanglement_loss, "W"),
    "disentanglement_original": _of_latents(loss.disentanglement_loss_original, "W"),
    "isotropy": _of_latents(loss.isotropy_loss, "W"),
    "stability": _stability,
    "combined": _of_latents(sl.combined_loss, "W", "A", "Y", "W_prev"),
    "principal_directions": _principal_directions,
    "subspaces": _subspaces,
    "solve_subspaces": _solve_subspaces,
    "fit_decoders": _fit_decoders,
    "subspace_change": _subspace_change,
    "pool": _pool,
    "compute_Q": _compute_q,
    "input_to_quantity": _input_to_quantity,
    "ensure_dim": _ensure_dim,
    "left": _left,
    "right": _right,
    "full": _full,
    "singular_values": _singular_values,
}

#: What returns Python integers, or places arrays on a device.
EAGER: dict[str, Callable[..., dict]] = {
    "optimal_bins": lambda inputs, **o: {"n": optim.optimal_bins(inputs["Y"], **o)},
    "k_per_q": lambda inputs, **o: {"k": optim.k_per_q(inputs["Y"], **o)},
    "solve_dims": lambda inputs, **o: {"nk": sl.solve_dims(inputs["Y"], **o)},
    "minimal_latent_dim": lambda inputs: {
        "d": [optim.minimal_latent_dim(**call) for call in inputs["calls"]]
    },
    "to_device": _to_device,
}

RUNS = TRACEABLE | EAGER


def on_device(tree: Any) -> Any:
    """Turns the arrays of nested mappings into JAX arrays."""
    if isinstance(tree, Mapping):
        return {name: on_device(value) for name, value in tree.items()}
    return jnp.asarray(tree) if isinstance(tree, np.ndarray) else tree


# Cases that differ in numbers alone share a compilation.
_jitted: dict[str, Callable[[Inputs], dict]] = {}


def _prepared(case: Case, *, jit: bool) -> Callable[[Inputs], dict]:
    call = functools.partial(RUNS[case.function], **case.options)
    if not jit:
        return call
    return _jitted.setdefault(f"{case.function} {case.options}", jax.jit(call))


def run(case: Case, dtype: str, *, jit: bool = False) -> Outputs:
    """Runs the port on a case and keeps what is well defined."""
    inputs = case.inputs(dtype)
    outputs = leaves(_prepared(case, jit=jit)(on_device(inputs)))
    for name, x in outputs.items():
        if x.dtype.kind == "f" and x.dtype != dtype:
            message = f"{case.name}: {name} is {x.dtype} for {dtype} input"
            raise AssertionError(message)
    return case.finished(inputs, outputs)

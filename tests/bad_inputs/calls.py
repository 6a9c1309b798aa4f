"""Every public function with arguments that are right, to be spoiled one at a time."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import spacelearn_jax as sl
from spacelearn_jax import data, linalg, loss, optim

from .calls_moments import calls as moment_calls
from .calls_training import calls as training_calls

B, D = 8, 5
_RNG = np.random.default_rng(0)


def _normal(*shape: int) -> np.ndarray:
    return _RNG.standard_normal(shape).astype(np.float32)


# NumPy arrays: importing this module must not start a device.
Z = _normal(B, D)
Y = {"pressure": _normal(B, 3), "vorticity": _normal(B)}
FIELDS = {"pressure": _normal(B, 6), "vorticity": _normal(B, 1, 4, 4)}
_BASIS = np.linalg.qr(_normal(D, D))[0]
W = {"pressure": _BASIS[:2], "vorticity": _BASIS[2:3]}
A = {"pressure": _normal(2, 3), "vorticity": _normal(1)}
V = {"pressure": _normal(3), "vorticity": _normal(1)}
MEANS = {"pressure": _normal(3), "vorticity": _normal(1)}


def energy(u: Any) -> Any:
    """Returns a field of the input's shape."""
    return u**2


def space(**changes: Any) -> sl.Space:
    """Builds a space of these parts; ``changes`` are left unchecked, as by a tree_map."""
    built = sl.Space(W, A, V, z_mean=Z[0], y_mean=MEANS)
    for name, value in changes.items():
        object.__setattr__(built, name, value)
    return built


class Call(NamedTuple):
    """A function by the name that its errors give, and arguments that are right."""

    function: Callable[..., Any]
    good: Mapping[str, Any]


def _compute(functions: Any, named: Any, unnamed: Any, inputs: Any) -> Any:
    return data.compute_Q(*functions, **named)(*unnamed, **inputs)


def _pipeline(n_bins: Any, mode: Any, functions: Any, named: Any, inputs: Any) -> Any:
    return data.input_to_quantity(n_bins, mode, *functions, **named)(**inputs)


_BATCH = {"where": None, "axis_name": None}
_EXACT = {**_BATCH, "solver": "auto"}
_REDUCED = {"weights": {"pressure": 0.5}, "reduction": "sum"}
_SIZING = {"default_threshold": None, "per_quantity": True, **_EXACT}

CALLS = {
    "principal_directions": Call(sl.principal_directions, {"Z": Z, "Y": Y, **_EXACT}),
    "subspaces": Call(sl.subspaces, {"Z": Z, "Y": Y, "k": 2, **_EXACT}),
    "solve_subspaces": Call(sl.solve_subspaces, {"Z": Z, "Y": Y, "k": 2, **_EXACT}),
    "solve_dims": Call(
        sl.solve_dims,
        {
            "Y": FIELDS,
            "max_bins": 2,
            "bin_thresholds": 0.9,
            "k_thresholds": 0.9,
            "bin_default_threshold": None,
            "k_default_threshold": None,
            "pooling_mode": "avg",
            "pool_per_quantity": False,
            "k_per_quantity": False,
            "spatial_ndim": 2,
            "where": None,
            "solver": "auto",
        },
    ),
    "combined_loss": Call(
        sl.combined_loss,
        {
            "Z": Z,
            "W": W,
            "A": A,
            "Y": Y,
            "W_prev": W,
            "n_dir": 2,
            "weights": {"isotropy": 0.1},
            "return_terms": False,
            **_EXACT,
            "pair_norm": "first",
            "metric": "basis",
        },
    ),
    "alignment_loss": Call(
        loss.alignment_loss, {"Z": Z, "W": W, "A": A, "Y": Y, **_BATCH, **_REDUCED}
    ),
    "disentanglement_loss": Call(
        loss.disentanglement_loss, {"Z": Z, "W": W, **_BATCH, "pair_norm": "first", **_REDUCED}
    ),
    "disentanglement_loss_original": Call(
        loss.disentanglement_loss_original, {"Z": Z, "W": W, **_BATCH}
    ),
    "isotropy_loss": Call(loss.isotropy_loss, {"Z": Z, "W": W, "n_dir": 2, **_EXACT}),
    "stability_loss": Call(
        loss.stability_loss, {"W": W, "W_prev": W, "metric": "basis", **_REDUCED}
    ),
    "fit_decoders": Call(
        optim.fit_decoders, {"W": W, "Z": Z, "Y": Y, **_EXACT, "ridge": 0.0, "shrinkage": None}
    ),
    "k_per_q": Call(optim.k_per_q, {"Y": Y, "threshold": 0.9, **_SIZING}),
    "optimal_bins": Call(
        optim.optimal_bins,
        {"Y": FIELDS, "max_bins": 4, "variance_threshold": 0.9, **_SIZING, "spatial_ndim": 2},
    ),
    "minimal_latent_dim": Call(
        optim.minimal_latent_dim, {"k": 3, "Q": 2, "free_frac": 0.3, "num_heads": 4}
    ),
    "subspace_change": Call(
        optim.subspace_change, {"W_old": W["pressure"], "W_new": W["vorticity"]}
    ),
    "principal_angles": Call(
        linalg.principal_angles, {"W_a": W["pressure"], "W_b": W["vorticity"]}
    ),
    "full": Call(linalg.full, {"A": Z, "solver": "auto"}),
    "left": Call(linalg.left, {"A": Z, "solver": "auto"}),
    "right": Call(linalg.right, {"A": Z, "solver": "auto"}),
    "singular_values": Call(linalg.singular_values, {"A": Z, "solver": "auto"}),
    "residual_bound": Call(
        linalg.residual_bound, {"A": Z, "U": np.eye(B, 2, dtype=np.float32), "probes": 3, "seed": 0}
    ),
    "LowRank": Call(linalg.LowRank, {"rank": 2, "oversample": 1, "n_iter": 1, "seed": 0}),
    "pool": Call(data.pool, {"chunks": FIELDS["vorticity"], "n_bins": 2, "mode": "avg"}),
    "compute_Q": Call(
        _compute, {"functions": (energy,), "named": {}, "unnamed": (), "inputs": {"u": Z}}
    ),
    "input_to_quantity": Call(
        _pipeline,
        {"n_bins": 2, "mode": "avg", "functions": (energy,), "named": {}, "inputs": {"u": Z}},
    ),
    "ensure_dim": Call(data.ensure_dim, {"func": energy, "dims": 4, "targets": None}),
    "to_device": Call(data.to_device, {"func": energy, "device": "cpu", "targets": None}),
    "Space": Call(
        sl.Space,
        {"W": W, "A": A, "V": V, "z_mean": Z[0], "y_mean": MEANS, "target_shapes": None},
    ),
    "Space[...]": Call(lambda space, name: space[name], {"space": space(), "name": "pressure"}),
    "Space.coordinates": Call(lambda space, Z: space.coordinates(Z), {"space": space(), "Z": Z}),
    "Space.decode": Call(
        lambda space, Z, names: space.decode(Z, names), {"space": space(), "Z": Z, "names": None}
    ),
    **{name: Call(*call) for name, call in moment_calls(W, A, Z, Y).items()},
    **{name: Call(*call) for name, call in training_calls(Z, Y).items()},
}

"""Bad options: counts, flags, words, solvers, axes and weights."""

import numpy as np

from spacelearn_jax import linalg

from .ingredients import (
    Traced,
)
from .row import Bad

ROWS = [
    Bad(
        "a single bin",
        "optimal_bins",
        dict(max_bins=1),
        ValueError,
        "max_bins must be at least 2, got 1. Pass 2 or more.",
    ),
    Bad(
        "half a bin",
        "optimal_bins",
        dict(max_bins=8.0),
        TypeError,
        (
            "max_bins must be an int, got the float 8.0. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a single bin",
        "solve_dims",
        dict(max_bins=1),
        ValueError,
        "max_bins must be at least 2, got 1. Pass 2 or more.",
    ),
    Bad(
        "too many to count",
        "optimal_bins",
        dict(max_bins=10**12),
        ValueError,
        "max_bins must be at most 2147483647, got 1000000000000. Lower it.",
    ),
    Bad(
        "an array to choose the result's kind",
        "k_per_q",
        dict(per_quantity=np.array([True])),
        TypeError,
        (
            "per_quantity must be True or False, got an array of shape (1,) and dtype bool. "
            "Pass a Python bool."
        ),
    ),
    Bad(
        "a string for a flag",
        "optimal_bins",
        dict(per_quantity="yes"),
        TypeError,
        "per_quantity must be True or False, got the str 'yes'. Pass a Python bool.",
    ),
    Bad(
        "an integer for a flag",
        "solve_dims",
        dict(pool_per_quantity=1),
        TypeError,
        "pool_per_quantity must be True or False, got the int 1. Pass a Python bool.",
    ),
    Bad(
        "None for a flag",
        "solve_dims",
        dict(k_per_quantity=None),
        TypeError,
        "k_per_quantity must be True or False, got None. Pass a Python bool.",
    ),
    Bad(
        "a traced flag",
        "combined_loss",
        dict(return_terms=Traced(True)),
        TypeError,
        (
            "return_terms must be True or False, got a traced array. Mark it static (jax.jit "
            "static_argnames) or close over it."
        ),
    ),
    Bad(
        "an integer for a flag",
        "combined_loss",
        dict(return_terms=1),
        TypeError,
        "return_terms must be True or False, got the int 1. Pass a Python bool.",
    ),
    Bad(
        "a mode that doesn't exist",
        "solve_dims",
        dict(pooling_mode="median"),
        ValueError,
        ("pooling_mode must be one of 'avg', 'mean', 'max', got 'median'. Did you mean 'mean'?"),
    ),
    Bad(
        "four spatial axes",
        "optimal_bins",
        dict(spatial_ndim=4),
        ValueError,
        "spatial_ndim must be one of 1, 2, 3, 'auto', got the int 4. Pass one of these.",
    ),
    Bad(
        "a misspelt word",
        "solve_dims",
        dict(spatial_ndim="autom"),
        ValueError,
        "spatial_ndim must be one of 1, 2, 3, 'auto', got 'autom'. Did you mean 'auto'?",
    ),
    Bad(
        "a solver that doesn't exist",
        "principal_directions",
        dict(solver="qr"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got 'qr'. "
            "Pass one of these."
        ),
    ),
    Bad(
        "a misspelt solver",
        "subspaces",
        dict(solver="eig"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got 'eig'. "
            "Did you mean 'eigen'?"
        ),
    ),
    Bad(
        "a low rank without its rank",
        "solve_subspaces",
        dict(solver="lowrank"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got "
            "'lowrank'. Say how much to keep: linalg.LowRank(rank=...)."
        ),
    ),
    Bad(
        "the class of a solver",
        "fit_decoders",
        dict(solver=linalg.LowRank),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got the class "
            "LowRank. Say how much to keep: linalg.LowRank(rank=...)."
        ),
    ),
    Bad(
        "None for a solver",
        "isotropy_loss",
        dict(solver=None),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got None. "
            "Pass one of these."
        ),
    ),
    Bad(
        "an unhashable solver",
        "combined_loss",
        dict(solver=["svd"]),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got a list. "
            "Pass one of these."
        ),
    ),
    Bad(
        "an array for a solver",
        "k_per_q",
        dict(solver=np.zeros(2)),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got an array "
            "of shape (2,) and dtype float64. Pass one of these."
        ),
    ),
    Bad(
        "a solver that doesn't exist",
        "optimal_bins",
        dict(solver="randomised"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got "
            "'randomised'. Pass one of these."
        ),
    ),
    Bad(
        "a solver that doesn't exist",
        "solve_dims",
        dict(solver="SVD"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got 'SVD'. "
            "Pass one of these."
        ),
    ),
    Bad(
        "a rank below k",
        "subspaces",
        dict(solver=linalg.LowRank(1)),
        ValueError,
        (
            "solver must be of rank at least 2, the number of directions asked for, got "
            "LowRank(rank=1, oversample=10, n_iter=2, seed=0). Use LowRank(rank=2) or an "
            "exact solver."
        ),
    ),
    *(
        Bad(
            "a rank below the largest k",
            function,
            dict(k={"pressure": 2, "vorticity": 1}, solver=linalg.LowRank(1)),
            ValueError,
            (
                "solver must be of rank at least 2, the number of directions asked for, got "
                "LowRank(rank=1, oversample=10, n_iter=2, seed=0). Use LowRank(rank=2) or an "
                "exact solver."
            ),
        )
        for function in ("subspaces", "solve_subspaces")
    ),
    Bad(
        "a rank below k",
        "fit_decoders",
        dict(solver=linalg.LowRank(1)),
        ValueError,
        (
            "solver must be of rank at least 2, the number of directions asked for, got "
            "LowRank(rank=1, oversample=10, n_iter=2, seed=0). Use LowRank(rank=2) or an "
            "exact solver."
        ),
    ),
    Bad(
        "a rank below n_dir",
        "isotropy_loss",
        dict(solver=linalg.LowRank(1)),
        ValueError,
        (
            "solver must be of rank at least 2, the number of directions asked for, got "
            "LowRank(rank=1, oversample=10, n_iter=2, seed=0). Use LowRank(rank=2) or an "
            "exact solver."
        ),
    ),
    Bad(
        "a rank that misses the threshold",
        "k_per_q",
        dict(solver=linalg.LowRank(1), threshold=1.0),
        ValueError,
        (
            "solver must be of a rank that reaches the threshold for Y['pressure'], got "
            "LowRank(rank=1, oversample=10, n_iter=2, seed=0). Raise the rank, or use an "
            "exact solver."
        ),
        eager_only="traced values are not known",
    ),
    Bad(
        "a pair norm that doesn't exist",
        "disentanglement_loss",
        dict(pair_norm="max"),
        ValueError,
        "pair_norm must be one of 'first', 'min', got 'max'. Pass one of these.",
    ),
    Bad(
        "an unhashable pair norm",
        "combined_loss",
        dict(pair_norm=[]),
        ValueError,
        "pair_norm must be one of 'first', 'min', got a list. Pass one of these.",
    ),
    Bad(
        "a metric that doesn't exist",
        "stability_loss",
        dict(metric="projection"),
        ValueError,
        ("metric must be one of 'basis', 'projector', got 'projection'. Did you mean 'projector'?"),
    ),
    Bad(
        "an array for a metric",
        "combined_loss",
        dict(metric=np.ones(2)),
        ValueError,
        (
            "metric must be one of 'basis', 'projector', got an array of shape (2,) and "
            "dtype float64. Pass one of these."
        ),
    ),
    Bad(
        "None for a metric",
        "stability_loss",
        dict(metric=None),
        ValueError,
        "metric must be one of 'basis', 'projector', got None. Pass one of these.",
    ),
    Bad(
        "an unbound axis",
        "combined_loss",
        dict(axis_name="batch"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got 'batch'. Call inside shard_map over that axis, or leave axis_name out: "
            "under plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "an unbound axis",
        "alignment_loss",
        dict(axis_name="data"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got 'data'. Call inside shard_map over that axis, or leave axis_name out: under "
            "plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "an unbound axis among several",
        "disentanglement_loss",
        dict(axis_name=("x", "y")),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got ('x', 'y'). Call inside shard_map over that axis, or leave axis_name out: "
            "under plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "an axis twice",
        "isotropy_loss",
        dict(axis_name=("x", "x")),
        ValueError,
        ("axis_name must be a tuple of different names, got ('x', 'x'). Name every axis once."),
    ),
    Bad(
        "an integer for an axis",
        "disentanglement_loss_original",
        dict(axis_name=0),
        TypeError,
        (
            "axis_name must be the name of a mesh axis (str) or a tuple of names, got the "
            "int 0. Use the name given to jax.make_mesh."
        ),
    ),
    Bad(
        "an unhashable axis",
        "principal_directions",
        dict(axis_name=["data"]),
        TypeError,
        (
            "axis_name must be the name of a mesh axis (str) or a tuple of names, got a "
            "list. Use the name given to jax.make_mesh."
        ),
    ),
    Bad(
        "an array for an axis",
        "subspaces",
        dict(axis_name=np.zeros(1)),
        TypeError,
        (
            "axis_name must be the name of a mesh axis (str) or a tuple of names, got an "
            "array of shape (1,) and dtype float64. Use the name given to jax.make_mesh."
        ),
    ),
    Bad(
        "no axes",
        "solve_subspaces",
        dict(axis_name=()),
        TypeError,
        (
            "axis_name must be the name of a mesh axis (str) or a tuple of names, got a "
            "tuple. Use the name given to jax.make_mesh."
        ),
    ),
    Bad(
        "an unbound axis",
        "fit_decoders",
        dict(axis_name="data"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got 'data'. Call inside shard_map over that axis, or leave axis_name out: under "
            "plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "a bool for an axis",
        "k_per_q",
        dict(axis_name=True),
        TypeError,
        (
            "axis_name must be the name of a mesh axis (str) or a tuple of names, got the "
            "bool True. Use the name given to jax.make_mesh."
        ),
    ),
    Bad(
        "an unbound axis",
        "optimal_bins",
        dict(axis_name="data"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got 'data'. Call inside shard_map over that axis, or leave axis_name out: under "
            "plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "a weight of an unknown term",
        "combined_loss",
        dict(weights={"isotorpy": 0.1}),
        ValueError,
        (
            "weights must be keyed by the terms of the loss, got the unknown name "
            "'isotorpy'. Did you mean 'isotropy'?"
        ),
    ),
    Bad(
        "a schedule in place of a weight",
        "combined_loss",
        dict(weights={"isotropy": lambda step: 0.1 * step}),
        TypeError,
        (
            "weights['isotropy'] must be a number, got a function. Call a schedule with the "
            "step, or use loss.combine, which does."
        ),
    ),
    Bad(
        "a vector of weights",
        "combined_loss",
        dict(weights={"isotropy": np.ones(2, np.float32)}),
        ValueError,
        (
            "weights['isotropy'] must be a number or a scalar array, got shape (2,). Reduce "
            "it to one number, for example with .sum()."
        ),
    ),
    Bad(
        "a bool for a weight",
        "combined_loss",
        dict(weights={"isotropy": False}),
        TypeError,
        (
            "weights['isotropy'] must be a number or a scalar array, got the bool False. "
            "Pass 1.0 or 0.0."
        ),
    ),
    Bad(
        "an array of bools for a weight",
        "combined_loss",
        dict(weights={"isotropy": np.array(True)}),
        TypeError,
        (
            "weights['isotropy'] must be a number or a scalar array, got dtype bool. Pass a "
            "real number."
        ),
    ),
    Bad(
        "None for a weight",
        "combined_loss",
        dict(weights={"isotropy": None}),
        TypeError,
        "weights['isotropy'] must be a number or a scalar array, got None. Pass a number.",
    ),
    Bad(
        "a string for a weight",
        "combined_loss",
        dict(weights={"isotropy": "0.1"}),
        TypeError,
        (
            "weights['isotropy'] must be a number or a scalar array, got the str '0.1'. Pass "
            "a number."
        ),
    ),
    Bad(
        "a weight that overflows",
        "combined_loss",
        dict(weights={"isotropy": 10**400}),
        ValueError,
        (
            "weights['isotropy'] must be finite, got the int "
            "100000000000000000000000000000000000000000000000000000000000.... Pass a smaller "
            "number."
        ),
    ),
    Bad(
        "a complex weight",
        "combined_loss",
        dict(weights={"isotropy": np.complex64(1j)}),
        TypeError,
        (
            "weights['isotropy'] must be a number or a scalar array, got dtype complex64. "
            "Pass a real number."
        ),
    ),
    Bad(
        "one number for all weights",
        "combined_loss",
        dict(weights=0.5),
        TypeError,
        ("weights must be a mapping from names to scalars, got the float 0.5. Pass {'name': ...}."),
    ),
]

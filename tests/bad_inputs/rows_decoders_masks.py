"""Bad decoders and masks."""

import numpy as np

from .calls import A, B, D
from .row import Bad

ROWS = [
    Bad(
        "a missing decoder",
        "alignment_loss",
        dict(A={"pressure": A["pressure"]}),
        ValueError,
        ("A must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "a misspelt decoder",
        "combined_loss",
        dict(A={"pressure": A["pressure"], "Vorticity": A["vorticity"]}),
        ValueError,
        (
            "A must be a mapping that holds 'vorticity', got only 'Vorticity', 'pressure'. "
            "Its nearest name is 'Vorticity': spell both alike."
        ),
    ),
    Bad(
        "a transposed decoder",
        "alignment_loss",
        dict(A={**A, "pressure": A["pressure"].T}),
        ValueError,
        (
            "A['pressure'] must be of shape (k, p) = (2, 3), for W['pressure'] (2, 5) and "
            "Y['pressure'] (8, 3), got shape (3, 2). It looks transposed: pass "
            "A['pressure'].T."
        ),
    ),
    Bad(
        "a decoder of another size",
        "combined_loss",
        dict(A={**A, "pressure": A["pressure"][:, :2]}),
        ValueError,
        (
            "A['pressure'] must be of shape (k, p) = (2, 3), for W['pressure'] (2, 5) and "
            "Y['pressure'] (8, 3), got shape (2, 2). Fit it with fit_decoders on the same W "
            "and Y."
        ),
    ),
    Bad(
        "a vector for several values",
        "alignment_loss",
        dict(A={**A, "pressure": A["pressure"][:, 0]}),
        ValueError,
        (
            "A['pressure'] must be of shape (k, p) = (2, 3), for W['pressure'] (2, 5) and "
            "Y['pressure'] (8, 3), got shape (2,). Fit it with fit_decoders on the same W "
            "and Y."
        ),
    ),
    Bad(
        "an integer decoder",
        "combined_loss",
        dict(A={**A, "vorticity": np.ones(1, np.int32)}),
        TypeError,
        (
            "A['vorticity'] must be of a floating dtype, got int32. Convert it with "
            "A['vorticity'].astype(jnp.float32)."
        ),
    ),
    Bad(
        "an array for decoders",
        "alignment_loss",
        dict(A=A["pressure"]),
        TypeError,
        (
            "A must be a mapping from quantity names to arrays, got an array of shape (2, 3) "
            "and dtype float32. Pass {'name': A}."
        ),
    ),
    Bad(
        "None for decoders",
        "combined_loss",
        dict(A=None),
        TypeError,
        "A must be a mapping from quantity names to arrays, got None. Pass {'name': ...}.",
    ),
    Bad(
        "no decoders",
        "alignment_loss",
        dict(A={}),
        ValueError,
        "A must be a mapping that holds 'pressure', got none. Add 'pressure' to it.",
    ),
    Bad(
        "None for a decoder",
        "alignment_loss",
        dict(A={**A, "vorticity": None}),
        TypeError,
        "A['vorticity'] must be a JAX or NumPy array, got None. Pass an array.",
    ),
    Bad(
        "a mask of integers",
        "alignment_loss",
        dict(where=np.ones(B, np.int32)),
        TypeError,
        ("where must be of dtype bool, got int32. Compare first, for example where=weights > 0."),
    ),
    Bad(
        "a mask of floats",
        "combined_loss",
        dict(where=np.ones(B, np.float32)),
        TypeError,
        ("where must be of dtype bool, got float32. Compare first, for example where=weights > 0."),
    ),
    Bad(
        "a mask of another batch",
        "disentanglement_loss",
        dict(where=np.ones(3, bool)),
        ValueError,
        (
            "where must be of shape (B,) = (8,), got shape (3,). It marks whole samples, "
            "True for the valid ones."
        ),
    ),
    Bad(
        "a mask with two axes",
        "isotropy_loss",
        dict(where=np.ones((B, 1), bool)),
        ValueError,
        (
            "where must be of shape (B,) = (8,), got shape (8, 1). It marks whole samples, "
            "True for the valid ones."
        ),
    ),
    Bad(
        "a mask of entries",
        "disentanglement_loss_original",
        dict(where=np.ones((B, D), bool)),
        ValueError,
        (
            "where must be of shape (B,) = (8,), got shape (8, 5). It marks whole samples, "
            "True for the valid ones."
        ),
    ),
    Bad(
        "a scalar mask",
        "principal_directions",
        dict(where=np.array(True)),
        ValueError,
        (
            "where must be of shape (B,) = (8,), got shape (). It marks whole samples, True "
            "for the valid ones."
        ),
    ),
    Bad(
        "a Python bool",
        "subspaces",
        dict(where=True),
        TypeError,
        (
            "where must be a JAX or NumPy array, got the bool True. Convert it with "
            "jnp.asarray(...)."
        ),
    ),
    Bad(
        "a list of bools",
        "solve_subspaces",
        dict(where=[True] * B),
        TypeError,
        ("where must be a JAX or NumPy array, got a list. Convert it with jnp.asarray(...)."),
    ),
    Bad(
        "a mask of one quantity alone",
        "fit_decoders",
        dict(where={"pressure": np.ones(B, bool)}),
        ValueError,
        (
            "where must be a mapping that holds 'vorticity', got only 'pressure'. Add "
            "'vorticity' to it."
        ),
    ),
    Bad(
        "a mask of indices",
        "k_per_q",
        dict(where=np.arange(3)),
        TypeError,
        ("where must be of dtype bool, got int32. Compare first, for example where=weights > 0."),
    ),
    Bad(
        "a mask of one row of a quantity",
        "solve_dims",
        dict(where={"pressure": np.ones(B, bool), "vorticity": np.arange(B) == 1}),
        ValueError,
        "where['vorticity'] must be of two valid rows at least, got one of 1. Mark the rows that "
        "are there with True.",
        eager_only="a traced mask has no values",
    ),
    Bad(
        "a mask of another batch",
        "optimal_bins",
        dict(where=np.ones(B + 1, bool)),
        ValueError,
        (
            "where must be of shape (B,) = (8,), got shape (9,). It marks whole samples, "
            "True for the valid ones."
        ),
    ),
    Bad(
        "a string",
        "solve_dims",
        dict(where="all"),
        TypeError,
        (
            "where must be a JAX or NumPy array, got the str 'all'. Pass one array here: are "
            "the arguments in this order?"
        ),
    ),
]

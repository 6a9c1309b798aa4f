"""Bad targets."""

import numpy as np

from .calls import FIELDS, B, Y, Z
from .ingredients import (
    KEYS,
    Tensor,
)
from .row import Bad

ROWS = [
    Bad(
        "a target of another batch",
        "alignment_loss",
        dict(Y={**Y, "pressure": Y["pressure"][:5]}),
        ValueError,
        (
            "Y['pressure'] must be of 8 rows like the rest of the batch, got shape (5, 3). "
            "Pass targets and latents of the same samples."
        ),
    ),
    Bad(
        "a transposed target",
        "subspaces",
        dict(Y={"pressure": Y["pressure"].T}),
        ValueError,
        (
            "Y['pressure'] must be of 8 rows like the rest of the batch, got shape (3, 8). "
            "It looks transposed: pass Y['pressure'].T."
        ),
    ),
    Bad(
        "a scalar target",
        "solve_subspaces",
        dict(Y={"mass": np.float32(1.0)}),
        ValueError,
        (
            "Y['mass'] must be of shape (B,), (B, p) or (B, ...), got shape (). The first "
            "axis counts samples, the others what a sample holds."
        ),
    ),
    Bad(
        "a target without values",
        "principal_directions",
        dict(Y={"pressure": Y["pressure"][:, :0]}),
        ValueError,
        (
            "Y['pressure'] must be of shape (B,), (B, p) or (B, ...), got shape (8, 0). The "
            "first axis counts samples, the others what a sample holds."
        ),
    ),
    Bad(
        "targets of two batches",
        "k_per_q",
        dict(Y={**Y, "vorticity": Y["vorticity"][:5]}),
        ValueError,
        (
            "Y['vorticity'] must be of 8 rows like the rest of the batch, got shape (5,). "
            "Pass targets and latents of the same samples."
        ),
    ),
    Bad(
        "a missing target",
        "alignment_loss",
        dict(Y={"vorticity": Y["vorticity"]}),
        ValueError,
        ("Y must be a mapping that holds 'pressure', got only 'vorticity'. Add 'pressure' to it."),
    ),
    Bad(
        "a misspelt target",
        "combined_loss",
        dict(Y={"presure": Y["pressure"], "vorticity": Y["vorticity"]}),
        ValueError,
        (
            "Y must be a mapping that holds 'pressure', got only 'presure', 'vorticity'. Its "
            "nearest name is 'presure': spell both alike."
        ),
    ),
    Bad(
        "no targets at all",
        "fit_decoders",
        dict(Y={}),
        ValueError,
        "Y must be a mapping that holds 'pressure', got none. Add 'pressure' to it.",
    ),
    Bad(
        "no targets",
        "subspaces",
        dict(Y={}),
        ValueError,
        ("Y must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "no targets",
        "k_per_q",
        dict(Y={}),
        ValueError,
        ("Y must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "an array for targets",
        "principal_directions",
        dict(Y=Y["pressure"]),
        TypeError,
        (
            "Y must be a mapping from quantity names to arrays, got an array of shape (8, 3) "
            "and dtype float32. Pass {'name': Y}."
        ),
    ),
    Bad(
        "None for targets",
        "solve_subspaces",
        dict(Y=None),
        TypeError,
        "Y must be a mapping from quantity names to arrays, got None. Pass {'name': ...}.",
    ),
    Bad(
        "a list of targets",
        "optimal_bins",
        dict(Y=list(FIELDS.values())),
        TypeError,
        ("Y must be a mapping from quantity names to arrays, got a list. Pass {'name': ...}."),
    ),
    Bad(
        "names that are no strings",
        "solve_dims",
        dict(Y={("u", 1): FIELDS["pressure"]}),
        TypeError,
        "Y must be keyed by str, got a tuple as a key. Name every quantity by a string.",
    ),
    Bad(
        "complex targets",
        "solve_subspaces",
        dict(Y={"psi": Z.astype(np.complex64)}),
        TypeError,
        (
            "Y['psi'] must be of a floating, integer or bool dtype, got complex64. Pass real "
            "and imaginary parts as separate quantities."
        ),
    ),
    Bad(
        "random keys for targets",
        "k_per_q",
        dict(Y={"key": KEYS}),
        TypeError,
        (
            "Y['key'] must be of a floating, integer or bool dtype, got key<fry>. Pass "
            "numbers drawn with the key, not the key."
        ),
    ),
    Bad(
        "a target of strings",
        "k_per_q",
        dict(Y={"label": np.array(["a", "b"])}),
        TypeError,
        (
            "Y['label'] must be a numeric array, got dtype <U1. Convert it with "
            ".astype(np.float32); rows of unequal length need padding."
        ),
    ),
    Bad(
        "ragged targets",
        "subspaces",
        dict(Y={"path": np.array([[1.0], [1.0, 2.0]], object)}),
        TypeError,
        (
            "Y['path'] must be a numeric array, got dtype object. Convert it with "
            ".astype(np.float32); rows of unequal length need padding."
        ),
    ),
    Bad(
        "a list for a target",
        "fit_decoders",
        dict(Y={**Y, "pressure": Y["pressure"].tolist()}),
        TypeError,
        (
            "Y['pressure'] must be a JAX or NumPy array, got a list. Convert it with "
            "jnp.asarray(...)."
        ),
    ),
    Bad(
        "a number for a target",
        "alignment_loss",
        dict(Y={**Y, "vorticity": 1.0}),
        TypeError,
        (
            "Y['vorticity'] must be a JAX or NumPy array, got the float 1.0. Convert it with "
            "jnp.asarray(...)."
        ),
    ),
    Bad(
        "None for a target",
        "combined_loss",
        dict(Y={**Y, "vorticity": None}),
        TypeError,
        "Y['vorticity'] must be a JAX or NumPy array, got None. Pass an array.",
    ),
    Bad(
        "a torch tensor for a target",
        "subspaces",
        dict(Y={"pressure": Tensor()}),
        TypeError,
        (
            "Y['pressure'] must be a JAX or NumPy array, got a torch.Tensor. Convert it with "
            "jnp.asarray(tensor.detach().cpu().numpy())."
        ),
    ),
    Bad(
        "a batch of one",
        "k_per_q",
        dict(Y={"pressure": Y["pressure"][:1]}),
        ValueError,
        (
            "Y['pressure'] must be a batch of at least 2 rows (a variance needs them), got B "
            "= 1. Pass a larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "an empty batch",
        "optimal_bins",
        dict(Y={"pressure": FIELDS["pressure"][:0]}),
        ValueError,
        (
            "Y['pressure'] must be a batch of at least 2 rows (a variance needs them), got B "
            "= 0. Pass a larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "solve_dims",
        dict(Y={"pressure": FIELDS["pressure"][:1]}),
        ValueError,
        (
            "Y['pressure'] must be a batch of at least 2 rows (a variance needs them), got B "
            "= 1. Pass a larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "NaN in a target",
        "k_per_q",
        dict(Y={"pressure": np.full((B, 3), np.nan, np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be finite, got NaN, an infinity or a variance that "
            "overflows. Leave such rows out, or rescale the target."
        ),
        eager_only="traced values are not known",
    ),
    Bad(
        "an infinity in a target",
        "optimal_bins",
        dict(Y={"pressure": np.full((B, 6), np.inf, np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be finite, got NaN, an infinity or a variance that "
            "overflows. Leave such rows out, or rescale the target."
        ),
        eager_only="traced values are not known",
    ),
    Bad(
        "NaN in a field",
        "solve_dims",
        dict(Y={"pressure": np.full((B, 6), np.nan, np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be finite, got NaN, an infinity or a variance that "
            "overflows. Leave such rows out, or rescale the target."
        ),
        eager_only="traced values are not known",
    ),
    Bad(
        "a scalar a sample has no bins",
        "optimal_bins",
        dict(Y={"mass": Y["vorticity"]}),
        ValueError,
        (
            "Y['mass'] must be a field with spatial axes, (B, S) or more, got shape (8,). A "
            "scalar has no bins and k = 1: leave it out here."
        ),
    ),
    Bad(
        "a scalar a sample has no bins",
        "solve_dims",
        dict(Y={"mass": Y["vorticity"]}),
        ValueError,
        (
            "Y['mass'] must be a field with spatial axes, (B, S) or more, got shape (8,). A "
            "scalar has no bins and k = 1: leave it out here."
        ),
    ),
    Bad(
        "a field without channels",
        "solve_dims",
        dict(Y={"pressure": np.ones((B, 4, 4), np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without "
            "empty axes, got shape (8, 4, 4). For a field (B, H, W) add a channel axis with "
            "field[:, None]."
        ),
    ),
    Bad(
        "a field of six axes",
        "solve_dims",
        dict(Y={"pressure": np.ones((B, 1, 2, 2, 2, 2), np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be of shape (B, S), (B, C, H, W) or (B, C, D, H, W), without "
            "empty axes, got shape (8, 1, 2, 2, 2, 2). Reshape it so that the first axis "
            "counts samples."
        ),
    ),
]

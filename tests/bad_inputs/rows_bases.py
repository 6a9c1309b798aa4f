"""Bad bases."""

import numpy as np

from .calls import D, W, space
from .ingredients import (
    Tensor,
)
from .row import Bad

ROWS = [
    Bad(
        "a transposed basis",
        "alignment_loss",
        dict(W={**W, "pressure": W["pressure"].T}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with D = 5, got shape (5, 2). It looks "
            "transposed: pass W['pressure'].T."
        ),
    ),
    Bad(
        "a transposed basis",
        "disentanglement_loss",
        dict(W={**W, "vorticity": W["vorticity"].T}),
        ValueError,
        (
            "W['vorticity'] must be of shape (k, D) with D = 5, got shape (5, 1). It looks "
            "transposed: pass W['vorticity'].T."
        ),
    ),
    Bad(
        "every basis transposed",
        "stability_loss",
        dict(W={q: w.T for q, w in W.items()}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with k <= D orthonormal rows, got shape "
            "(5, 2). It looks transposed: pass W['pressure'].T."
        ),
    ),
    Bad(
        "a basis of another width",
        "isotropy_loss",
        dict(W={"pressure": W["pressure"][:, :3]}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with D = 5, got shape (2, 3). Solve the "
            "subspaces on latents of this width."
        ),
    ),
    Bad(
        "bases of different widths",
        "stability_loss",
        dict(W={**W, "vorticity": W["vorticity"][:, :3]}),
        ValueError,
        (
            "W['vorticity'] must be of shape (k, D) with D = 5, got shape (1, 3). Solve the "
            "subspaces on latents of this width."
        ),
    ),
    Bad(
        "more directions than latents",
        "isotropy_loss",
        dict(W={"pressure": np.ones((7, D), np.float32)}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with k <= D orthonormal rows, got shape "
            "(7, 5). More rows than latents can't be orthonormal: leave some out."
        ),
    ),
    Bad(
        "a vector for a basis",
        "combined_loss",
        dict(W={**W, "pressure": W["pressure"][0]}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with k >= 1, got shape (5,). A basis has "
            "one row a direction: pass W['pressure'][None] for a single one."
        ),
    ),
    Bad(
        "a stack of bases",
        "disentanglement_loss_original",
        dict(W={"pressure": W["pressure"][None]}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with k >= 1, got shape (1, 2, 5). A basis "
            "has one row a direction."
        ),
    ),
    Bad(
        "a basis without rows",
        "isotropy_loss",
        dict(W={"pressure": W["pressure"][:0]}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with k >= 1, got shape (0, 5). A basis "
            "has one row a direction."
        ),
    ),
    Bad(
        "an integer basis",
        "fit_decoders",
        dict(W={"pressure": np.eye(2, D, dtype=np.int32)}),
        TypeError,
        (
            "W['pressure'] must be of a floating dtype, got int32. Convert it with "
            "W['pressure'].astype(jnp.float32)."
        ),
    ),
    Bad(
        "a complex basis",
        "stability_loss",
        dict(W={"pressure": W["pressure"] + 0j}),
        TypeError,
        (
            "W['pressure'] must be of a floating dtype, got complex64. Stack its parts with "
            "jnp.concatenate([W['pressure'].real, W['pressure'].imag], -1)."
        ),
    ),
    Bad(
        "a list for a basis",
        "isotropy_loss",
        dict(W={"pressure": [[1.0, 0.0]]}),
        TypeError,
        (
            "W['pressure'] must be a JAX or NumPy array, got a list. Convert it with "
            "jnp.asarray(...)."
        ),
    ),
    Bad(
        "no basis under a name",
        "isotropy_loss",
        dict(W={"pressure": None}),
        TypeError,
        "W['pressure'] must be a JAX or NumPy array, got None. Pass an array.",
    ),
    Bad(
        "a torch tensor for a basis",
        "stability_loss",
        dict(W={"pressure": Tensor()}),
        TypeError,
        (
            "W['pressure'] must be a JAX or NumPy array, got a torch.Tensor. Convert it with "
            "jnp.asarray(tensor.detach().cpu().numpy())."
        ),
    ),
    Bad(
        "no bases",
        "isotropy_loss",
        dict(W={}),
        ValueError,
        ("W must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "no bases",
        "combined_loss",
        dict(W={}),
        ValueError,
        ("W must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "no bases",
        "stability_loss",
        dict(W={}),
        ValueError,
        ("W must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "no bases",
        "fit_decoders",
        dict(W={}),
        ValueError,
        ("W must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "None for bases",
        "alignment_loss",
        dict(W=None),
        TypeError,
        "W must be a mapping from quantity names to arrays, got None. Pass {'name': ...}.",
    ),
    Bad(
        "an array for bases",
        "disentanglement_loss",
        dict(W=W["pressure"]),
        TypeError,
        (
            "W must be a mapping from quantity names to arrays, got an array of shape (2, 5) "
            "and dtype float32. Pass {'name': W}."
        ),
    ),
    Bad(
        "a list of bases",
        "disentanglement_loss_original",
        dict(W=list(W.values())),
        TypeError,
        ("W must be a mapping from quantity names to arrays, got a list. Pass {'name': ...}."),
    ),
    Bad(
        "a whole space for its bases",
        "alignment_loss",
        dict(W=space()),
        TypeError,
        (
            "W must be a mapping from quantity names to arrays, got a Space. Pass its field "
            "W: space.W."
        ),
    ),
    Bad(
        "names that are no strings",
        "stability_loss",
        dict(W={1: W["pressure"]}),
        TypeError,
        "W must be keyed by str, got the int 1 as a key. Name every quantity by a string.",
    ),
    Bad(
        "names of two kinds",
        "combined_loss",
        dict(W={1: W["pressure"], "x": W["pressure"]}),
        TypeError,
        "W must be keyed by str, got the int 1 as a key. Name every quantity by a string.",
        eager_only="jax.jit can't sort such names",
    ),
    Bad(
        "earlier bases without a name",
        "stability_loss",
        dict(W_prev={"pressure": W["pressure"]}),
        ValueError,
        (
            "W_prev must be a mapping that holds 'vorticity', got only 'pressure'. Add "
            "'vorticity' to it."
        ),
    ),
    Bad(
        "a misspelt name in earlier bases",
        "combined_loss",
        dict(W_prev={"pressure": W["pressure"], "vortcity": W["vorticity"]}),
        ValueError,
        (
            "W_prev must be a mapping that holds 'vorticity', got only 'pressure', "
            "'vortcity'. Its nearest name is 'vortcity': spell both alike."
        ),
    ),
    Bad(
        "earlier bases of another size",
        "stability_loss",
        dict(W_prev={**W, "pressure": W["pressure"][:1]}),
        ValueError,
        (
            "W_prev['pressure'] must be of shape (2, 5) like W['pressure'], got shape (1, "
            "5). Keep k fixed, or compare subspaces of different size with "
            "metric='projector'."
        ),
    ),
    Bad(
        "earlier bases of another width",
        "stability_loss",
        dict(W_prev={q: w[:, :4] for q, w in W.items()}),
        ValueError,
        (
            "W_prev['pressure'] must be of shape (k, D) with D = 5, got shape (2, 4). Solve "
            "the subspaces on latents of this width."
        ),
    ),
    Bad(
        "transposed earlier bases",
        "combined_loss",
        dict(W_prev={q: w.T for q, w in W.items()}),
        ValueError,
        (
            "W_prev['pressure'] must be of shape (k, D) with D = 5, got shape (5, 2). It "
            "looks transposed: pass W_prev['pressure'].T."
        ),
    ),
    Bad(
        "False for no earlier bases",
        "combined_loss",
        dict(W_prev=False),
        TypeError,
        (
            "W_prev must be a mapping from quantity names to arrays, got the bool False. "
            "Pass {'name': ...}."
        ),
    ),
    Bad(
        "an array for earlier bases",
        "stability_loss",
        dict(W_prev=W["pressure"]),
        TypeError,
        (
            "W_prev must be a mapping from quantity names to arrays, got an array of shape "
            "(2, 5) and dtype float32. Pass {'name': W_prev}."
        ),
    ),
    Bad(
        "empty earlier bases",
        "stability_loss",
        dict(W_prev={}),
        ValueError,
        "W_prev must be a mapping that holds 'pressure', got none. Add 'pressure' to it.",
    ),
    Bad(
        "integer earlier bases",
        "stability_loss",
        dict(W_prev={q: np.eye(len(w), D, dtype=np.int32) for q, w in W.items()}),
        TypeError,
        (
            "W_prev['pressure'] must be of a floating dtype, got int32. Convert it with "
            "W_prev['pressure'].astype(jnp.float32)."
        ),
    ),
    Bad(
        "a transposed basis",
        "subspace_change",
        dict(W_old=W["pressure"].T),
        ValueError,
        (
            "W_old must be of shape (k, D) with k <= D orthonormal rows, got shape (5, 2). "
            "It looks transposed: pass W_old.T."
        ),
    ),
    Bad(
        "bases of two latent spaces",
        "subspace_change",
        dict(W_new=W["pressure"][:, :4]),
        ValueError,
        (
            "W_new must be a basis of the same latent space as W_old, D = 5, got shape (2, "
            "4). Compare bases solved on latents of one width."
        ),
    ),
    Bad(
        "all bases for one",
        "subspace_change",
        dict(W_new=W),
        TypeError,
        (
            "W_new must be a JAX or NumPy array, got a dict. Pass one array, as of one "
            "quantity: are the "
            "arguments in this order?"
        ),
    ),
    Bad(
        "an integer basis",
        "subspace_change",
        dict(W_old=np.eye(2, D, dtype=np.int32)),
        TypeError,
        (
            "W_old must be of a floating dtype, got int32. Convert it with "
            "W_old.astype(jnp.float32)."
        ),
    ),
    Bad(
        "a transposed basis",
        "principal_angles",
        dict(W_b=W["pressure"].T),
        ValueError,
        (
            "W_b must be of shape (k, D) with k <= D orthonormal rows, got shape (5, 2). It "
            "looks transposed: pass W_b.T."
        ),
    ),
    Bad(
        "a vector for a basis",
        "principal_angles",
        dict(W_a=W["pressure"][0]),
        ValueError,
        (
            "W_a must be of shape (k, D) with k >= 1, got shape (5,). A basis has one row a "
            "direction: pass W_a[None] for a single one."
        ),
    ),
    Bad(
        "bases of two latent spaces",
        "principal_angles",
        dict(W_b=W["pressure"][:, :4]),
        ValueError,
        (
            "W_b must be a basis of the same latent space as W_a, D = 5, got shape (2, 4). "
            "Compare bases solved on latents of one width."
        ),
    ),
    Bad(
        "no basis",
        "principal_angles",
        dict(W_a=None),
        TypeError,
        "W_a must be a JAX or NumPy array, got None. Pass an array.",
    ),
]

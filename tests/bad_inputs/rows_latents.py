"""Bad latents."""

import numpy as np

from .calls import B, D, W, Z
from .ingredients import (
    KEYS,
    Tensor,
)
from .row import Bad

ROWS = [
    Bad(
        "one latent vector",
        "alignment_loss",
        dict(Z=Z[0]),
        ValueError,
        ("Z must be of shape (B, D), got shape (5,). Stack the latents of a batch with jnp.stack."),
    ),
    Bad(
        "a scalar",
        "principal_directions",
        dict(Z=np.float32(1.0)),
        ValueError,
        ("Z must be of shape (B, D), got shape (). Stack the latents of a batch with jnp.stack."),
    ),
    Bad(
        "latents of an image network",
        "isotropy_loss",
        dict(Z=Z.reshape(B, 1, 5, 1)),
        ValueError,
        (
            "Z must be of shape (B, D), got shape (8, 1, 5, 1). Flatten the trailing axes "
            "with Z.reshape(Z.shape[0], -1), or use jax.vmap for a stack of batches."
        ),
    ),
    Bad(
        "latents of no width",
        "disentanglement_loss",
        dict(Z=Z[:, :0]),
        ValueError,
        "Z must be at least one latent wide, got shape (8, 0). Keep some of its columns.",
    ),
    Bad(
        "an empty batch",
        "alignment_loss",
        dict(Z=Z[:0]),
        ValueError,
        (
            "Z must be a batch of at least 1 row (an empty batch has no mean), got B = 0. "
            "Pass a larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "disentanglement_loss",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "disentanglement_loss_original",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "isotropy_loss",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "combined_loss",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "principal_directions",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "subspaces",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "solve_subspaces",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "a batch of one",
        "fit_decoders",
        dict(Z=Z[:1]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 1. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "an empty batch",
        "subspaces",
        dict(Z=Z[:0]),
        ValueError,
        (
            "Z must be a batch of at least 2 rows (a variance needs them), got B = 0. Pass a "
            "larger batch, or pad it and mask the padding with where=."
        ),
    ),
    Bad(
        "integer latents",
        "alignment_loss",
        dict(Z=Z.astype(np.int32)),
        TypeError,
        "Z must be of a floating dtype, got int32. Convert it with Z.astype(jnp.float32).",
    ),
    Bad(
        "bool latents",
        "combined_loss",
        dict(Z=Z > 0),
        TypeError,
        "Z must be of a floating dtype, got bool. Convert it with Z.astype(jnp.float32).",
    ),
    Bad(
        "complex latents",
        "subspaces",
        dict(Z=Z.astype(np.complex64)),
        TypeError,
        (
            "Z must be of a floating dtype, got complex64. Stack its parts with "
            "jnp.concatenate([Z.real, Z.imag], -1)."
        ),
    ),
    Bad(
        "latents of objects",
        "isotropy_loss",
        dict(Z=Z.astype(object)),
        TypeError,
        (
            "Z must be a numeric array, got dtype object. Convert it with "
            ".astype(np.float32); rows of unequal length need padding."
        ),
    ),
    Bad(
        "latents of strings",
        "fit_decoders",
        dict(Z=np.array([["a", "b"]])),
        TypeError,
        (
            "Z must be a numeric array, got dtype <U1. Convert it with .astype(np.float32); "
            "rows of unequal length need padding."
        ),
    ),
    Bad(
        "dates",
        "fit_decoders",
        dict(Z=np.zeros((B, D), "datetime64[s]")),
        TypeError,
        (
            "Z must be a numeric array, got dtype datetime64[s]. Convert it with "
            ".astype(np.float32); rows of unequal length need padding."
        ),
    ),
    Bad(
        "longer than 64 bits",
        "solve_subspaces",
        dict(Z=Z.astype(np.longdouble)),
        TypeError,
        (
            f"Z must be a numeric array, got dtype {np.dtype(np.longdouble)}. JAX has at "
            "most 64 bits: convert it with .astype(np.float64)."
        ),
    ),
    Bad(
        "a masked array",
        "solve_subspaces",
        dict(Z=np.ma.masked_array(Z, Z > 0)),
        TypeError,
        (
            "Z must be a plain array, got a masked one. Convert it with .filled(0), and "
            "leave rows out with where=."
        ),
    ),
    Bad(
        "no latents",
        "disentanglement_loss",
        dict(Z=None),
        TypeError,
        "Z must be a JAX or NumPy array, got None. Pass an array.",
    ),
    Bad(
        "a list of latents",
        "solve_subspaces",
        dict(Z=Z.tolist()),
        TypeError,
        "Z must be a JAX or NumPy array, got a list. Convert it with jnp.asarray(...).",
    ),
    Bad(
        "a Python number",
        "solve_subspaces",
        dict(Z=3.0),
        TypeError,
        ("Z must be a JAX or NumPy array, got the float 3.0. Convert it with jnp.asarray(...)."),
    ),
    Bad(
        "a torch tensor",
        "alignment_loss",
        dict(Z=Tensor()),
        TypeError,
        (
            "Z must be a JAX or NumPy array, got a torch.Tensor. Convert it with "
            "jnp.asarray(tensor.detach().cpu().numpy())."
        ),
    ),
    Bad(
        "a random key",
        "isotropy_loss",
        dict(Z=KEYS),
        TypeError,
        (
            "Z must be of a floating dtype, got key<fry>. Pass numbers drawn with the key, "
            "not the key."
        ),
    ),
    Bad(
        "a class in place of an array",
        "isotropy_loss",
        dict(Z=np.ndarray),
        TypeError,
        (
            "Z must be a JAX or NumPy array, got the class ndarray. Pass one array here: are "
            "the arguments in this order?"
        ),
    ),
    Bad(
        "arguments in another order",
        "fit_decoders",
        dict(Z=W, W=Z),
        TypeError,
        (
            "Z must be a JAX or NumPy array, got a dict. Pass one array, as of one "
            "quantity: are the "
            "arguments in this order?"
        ),
    ),
    Bad(
        "other latents than the bases'",
        "alignment_loss",
        dict(Z=Z[:, :4]),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with D = 4, got shape (2, 5). Solve the "
            "subspaces on latents of this width."
        ),
    ),
    Bad(
        "a single vector for a space of another width",
        "Space.coordinates",
        dict(Z=Z[0, :4]),
        ValueError,
        (
            "Z must be of shape (..., D) with D = 5, got shape (4,). Pass latents of the "
            "network that the space was solved for."
        ),
    ),
    Bad(
        "a scalar",
        "Space.coordinates",
        dict(Z=np.float32(0.0)),
        ValueError,
        (
            "Z must be of shape (..., D) with D = 5, got shape (). Pass latents of the "
            "network that the space was solved for."
        ),
    ),
    Bad(
        "integer latents",
        "Space.decode",
        dict(Z=Z.astype(np.int32)),
        TypeError,
        "Z must be of a floating dtype, got int32. Convert it with Z.astype(jnp.float32).",
    ),
    Bad(
        "no latents",
        "Space.decode",
        dict(Z=None),
        TypeError,
        "Z must be a JAX or NumPy array, got None. Pass an array.",
    ),
]

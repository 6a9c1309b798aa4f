"""Bad matrices, ranks and latent dimensions."""

import numpy as np

from .calls import Z
from .ingredients import (
    KEYS,
    Tensor,
    Traced,
)
from .row import Bad

ROWS = [
    Bad(
        "rows of a basis where its columns belong",
        "residual_bound",
        dict(U=np.eye(2, 8, dtype=np.float32)),
        ValueError,
        (
            "U must be of shape (8, r), with the rows of A, got shape (2, 8). Pass left "
            "singular vectors, one in each column."
        ),
    ),
    Bad(
        "a row for the matrix that is left",
        "residual_bound",
        dict(A=Z[0]),
        ValueError,
        (
            "A must be a matrix of shape (m, n) with m, n >= 1, got shape (5,). Make a row "
            "of it with A[None]."
        ),
    ),
    Bad(
        "a negative seed of probes",
        "residual_bound",
        dict(seed=-1),
        ValueError,
        "seed must be at least 0, got -1. Pass 0 or more.",
    ),
    Bad(
        "no probe",
        "residual_bound",
        dict(probes=0),
        ValueError,
        "probes must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a vector for a matrix",
        "full",
        dict(A=Z[0]),
        ValueError,
        (
            "A must be a matrix of shape (m, n) with m, n >= 1, got shape (5,). Make a row "
            "of it with A[None]."
        ),
    ),
    Bad(
        "an integer matrix",
        "left",
        dict(A=np.eye(3, dtype=np.int32)),
        TypeError,
        "A must be of a floating dtype, got int32. Convert it with A.astype(jnp.float32).",
    ),
    Bad(
        "a stack of matrices",
        "right",
        dict(A=Z[None]),
        ValueError,
        (
            "A must be a matrix of shape (m, n) with m, n >= 1, got shape (1, 8, 5). Use "
            "jax.vmap for a stack of matrices."
        ),
    ),
    Bad(
        "an empty matrix",
        "singular_values",
        dict(A=Z[:0]),
        ValueError,
        (
            "A must be a matrix of shape (m, n) with m, n >= 1, got shape (0, 5). An empty "
            "matrix has no factors."
        ),
    ),
    Bad(
        "a complex matrix",
        "full",
        dict(A=Z + 0j),
        TypeError,
        (
            "A must be of a floating dtype, got complex64. Stack its parts with "
            "jnp.concatenate([A.real, A.imag], -1)."
        ),
    ),
    Bad(
        "a list for a matrix",
        "singular_values",
        dict(A=[[1.0]]),
        TypeError,
        "A must be a JAX or NumPy array, got a list. Convert it with jnp.asarray(...).",
    ),
    Bad(
        "a torch tensor for a matrix",
        "left",
        dict(A=Tensor()),
        TypeError,
        (
            "A must be a JAX or NumPy array, got a torch.Tensor. Convert it with "
            "jnp.asarray(tensor.detach().cpu().numpy())."
        ),
    ),
    Bad(
        "a solver that doesn't exist",
        "full",
        dict(solver="full"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got 'full'. "
            "Pass one of these."
        ),
    ),
    Bad(
        "None for a solver",
        "left",
        dict(solver=None),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got None. "
            "Pass one of these."
        ),
    ),
    Bad(
        "a number for a solver",
        "right",
        dict(solver=3),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got the int "
            "3. Pass one of these."
        ),
    ),
    Bad(
        "an unhashable solver",
        "singular_values",
        dict(solver={}),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got a dict. "
            "Pass one of these."
        ),
    ),
    Bad(
        "no rank",
        "LowRank",
        dict(rank=0),
        ValueError,
        "rank must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a fractional rank",
        "LowRank",
        dict(rank=2.0),
        TypeError,
        (
            "rank must be an int, got the float 2.0. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a bool for a rank",
        "LowRank",
        dict(rank=True),
        TypeError,
        "rank must be an int, got the bool True. Pass a whole number.",
    ),
    Bad(
        "None for a rank",
        "LowRank",
        dict(rank=None),
        TypeError,
        "rank must be an int, got None. Pass a whole number.",
    ),
    Bad(
        "a traced rank",
        "LowRank",
        dict(rank=Traced(2)),
        TypeError,
        (
            "rank must be a Python int, since it fixes shapes, got a traced array. Mark it "
            "static (jax.jit static_argnames) or close over it."
        ),
    ),
    Bad(
        "negative oversampling",
        "LowRank",
        dict(oversample=-1),
        ValueError,
        "oversample must be at least 0, got -1. Pass 0 or more.",
    ),
    Bad(
        "fractional iterations",
        "LowRank",
        dict(n_iter=0.5),
        TypeError,
        (
            "n_iter must be an int, got the float 0.5. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a negative seed",
        "LowRank",
        dict(seed=-1),
        ValueError,
        "seed must be at least 0, got -1. Pass 0 or more.",
    ),
    Bad(
        "a seed beyond 63 bits",
        "LowRank",
        dict(seed=2**64),
        ValueError,
        "seed must be at most 9223372036854775807, got 18446744073709551616. Lower it.",
    ),
    Bad(
        "a random key for a seed",
        "LowRank",
        dict(seed=KEYS),
        TypeError,
        (
            "seed must be an int, got an array of shape (8,) and dtype key<fry>. Pass a "
            "whole number."
        ),
    ),
    Bad(
        "no size",
        "minimal_latent_dim",
        dict(k=0),
        ValueError,
        "k must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a fractional size",
        "minimal_latent_dim",
        dict(k=1.5),
        TypeError,
        (
            "k must be an int or a mapping from names to ints, got the float 1.5. Convert it "
            "with int(...) if that is what you mean."
        ),
    ),
    Bad(
        "None for sizes",
        "minimal_latent_dim",
        dict(k=None),
        TypeError,
        "k must be an int or a mapping from names to ints, got None. Pass a whole number.",
    ),
    Bad(
        "no sizes",
        "minimal_latent_dim",
        dict(k={}, Q=None),
        ValueError,
        ("k must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "a bool under a name",
        "minimal_latent_dim",
        dict(k={"pressure": True}, Q=None),
        TypeError,
        "k['pressure'] must be an int, got the bool True. Pass a whole number.",
    ),
    Bad(
        "names that are no strings",
        "minimal_latent_dim",
        dict(k={1: 2}, Q=None),
        TypeError,
        "k must be keyed by str, got the int 1 as a key. Name every quantity by a string.",
    ),
    Bad(
        "no number of quantities",
        "minimal_latent_dim",
        dict(Q=None),
        ValueError,
        (
            "Q must be given for a scalar k, got None. Pass the number of quantities, or k "
            "as a mapping."
        ),
    ),
    Bad(
        "a number of quantities that contradicts",
        "minimal_latent_dim",
        dict(k={"pressure": 1}),
        ValueError,
        "Q must be 1, the number of quantities in k, got 2. Leave it out for a mapping.",
    ),
    Bad(
        "a negative number of quantities",
        "minimal_latent_dim",
        dict(Q=-1),
        ValueError,
        "Q must be at least 1, got -1. Pass 1 or more.",
    ),
    Bad(
        "nothing but free space",
        "minimal_latent_dim",
        dict(free_frac=1.0),
        ValueError,
        (
            "free_frac must be in [0, 1), got 1.0. It is the fraction of the latent space "
            "left to no quantity."
        ),
    ),
    Bad(
        "a percentage",
        "minimal_latent_dim",
        dict(free_frac=30),
        ValueError,
        (
            "free_frac must be in [0, 1), got 30.0. It is the fraction of the latent space "
            "left to no quantity."
        ),
    ),
    Bad(
        "a negative fraction",
        "minimal_latent_dim",
        dict(free_frac=-0.1),
        ValueError,
        (
            "free_frac must be in [0, 1), got -0.1. It is the fraction of the latent space "
            "left to no quantity."
        ),
    ),
    Bad(
        "NaN",
        "minimal_latent_dim",
        dict(free_frac=float("nan")),
        ValueError,
        (
            "free_frac must be in [0, 1), got nan. It is the fraction of the latent space "
            "left to no quantity."
        ),
    ),
    Bad(
        "a string for a fraction",
        "minimal_latent_dim",
        dict(free_frac="0.3"),
        TypeError,
        "free_frac must be a number, got the str '0.3'. Pass a float.",
    ),
    Bad(
        "None for a fraction",
        "minimal_latent_dim",
        dict(free_frac=None),
        TypeError,
        "free_frac must be a number, got None. Pass a float.",
    ),
    Bad(
        "no heads",
        "minimal_latent_dim",
        dict(num_heads=0),
        ValueError,
        "num_heads must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "fractional heads",
        "minimal_latent_dim",
        dict(num_heads=4.0),
        TypeError,
        (
            "num_heads must be an int, got the float 4.0. Convert it with int(...) if that "
            "is what you mean."
        ),
    ),
]

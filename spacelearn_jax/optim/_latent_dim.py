"""How large the latent space has to be."""

import math
from collections.abc import Mapping
from fractions import Fraction

from spacelearn_jax import _checks


def minimal_latent_dim(
    k: int | Mapping[str, int],
    *,
    Q: int | None = None,
    free_frac: float = 0.30,
    num_heads: int | None = None,
) -> int:
    """Smallest latent dimension that holds all subspaces and a free rest.

    ``D = ceil(P / (1 - free_frac))`` with P the sum of all k, rounded up to a multiple of
    ``num_heads``. Exact: ``free_frac`` is taken as the decimal number that it prints as.

    Args:
        k: Dimensions of the subspaces: one for all, or ``{q: k_q}``.
        Q: Number of quantities, for a scalar ``k`` only.
        free_frac: Fraction of the latent space that belongs to no quantity, in [0, 1).
        num_heads: Divisor of the result, for example a number of attention heads.

    Returns:
        The latent dimension D.

    Raises:
        TypeError: If a size is not an int or ``free_frac`` not a number.
        ValueError: If a size is below 1, ``free_frac`` is outside [0, 1), ``Q`` is
            missing for a scalar ``k``, or contradicts a mapping.

    Example:
        >>> minimal_latent_dim({"pressure": 15, "vorticity": 6}, free_frac=0.3)
        30
        >>> minimal_latent_dim(4, Q=6, num_heads=8)
        40
    """
    function = "minimal_latent_dim"
    if isinstance(k, Mapping):
        sizes = _checks.mapping(function, "k", k)
        taken = sum(
            _checks.integer(function, _checks.entry("k", q), size) for q, size in sizes.items()
        )
        if Q is not None and _checks.integer(function, "Q", Q) != len(sizes):
            raise _checks.failure(
                ValueError,
                function,
                "Q",
                f"{len(sizes)}, the number of quantities in k",
                str(Q),
                "Leave it out for a mapping.",
            )
    else:
        kind = "an int or a mapping from names to ints"
        size = _checks.integer(function, "k", k, kind=kind)
        if Q is None:
            raise _checks.failure(
                ValueError,
                function,
                "Q",
                "given for a scalar k",
                "None",
                "Pass the number of quantities, or k as a mapping.",
            )
        taken = _checks.integer(function, "Q", Q) * size
    free = _checks.number(function, "free_frac", free_frac)
    if not 0.0 <= free < 1.0:
        raise _checks.failure(
            ValueError,
            function,
            "free_frac",
            "in [0, 1)",
            repr(free),
            "It is the fraction of the latent space left to no quantity.",
        )
    # 21 / (1 - 0.3) is 30.000000000000004 in floating point, and its ceiling 31.
    D = math.ceil(taken / (1 - Fraction(str(free_frac))))
    if num_heads is None:
        return D
    heads = _checks.integer(function, "num_heads", num_heads)
    return -(-D // heads) * heads

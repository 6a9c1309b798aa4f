"""Which route a factorization takes."""

import dataclasses
from typing import Any

import jax
import numpy as np

from spacelearn_jax import _checks

#: Names of the exact routes.
EXACT_SOLVERS = ("auto", "svd", "eigen")
_LOW_RANK = ("lowrank", "low_rank", "svd_lowrank", "randomized")


@dataclasses.dataclass(frozen=True)
class LowRank:
    """Randomized truncated SVD, an option for every ``solver=`` keyword.

    A range finder with oversampling and power iterations. The result holds
    ``min(rank, m, n)`` singular triplets, approximate but for matrices of at most
    this rank, and is the same on every call: the random test matrix comes from
    ``seed`` alone.

    Args:
        rank: Number of singular triplets to return.
        oversample: Extra columns of the test matrix.
        n_iter: Power iterations; more of them sharpen slowly decaying spectra.
        seed: Seed of the test matrix.

    Raises:
        TypeError: If an argument is not an integer.
        ValueError: If ``rank < 1`` or another argument is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax import linalg
        >>> A = jnp.outer(jnp.arange(4.0), jnp.ones(3))
        >>> _, s = linalg.left(A, solver=linalg.LowRank(rank=1))
        >>> s.shape
        (1,)

    Reference:
        Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review
        53(2), 2011, algorithms 4.4 and 5.1.
    """

    rank: int
    oversample: int = 10
    n_iter: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name, minimum in (("rank", 1), ("oversample", 0), ("n_iter", 0)):
            value = _checks.integer("LowRank", name, getattr(self, name), minimum=minimum)
            object.__setattr__(self, name, value)
        seed = _checks.integer("LowRank", "seed", self.seed, minimum=0, maximum=2**63 - 1)
        object.__setattr__(self, "seed", seed)


Solver = str | LowRank


def random_key(solver: LowRank) -> jax.Array:
    """Returns the random key of the test matrix."""
    # Without 64 bits jax.random.key reads the lower half of a seed alone.
    high, low = divmod(solver.seed, 2**32)
    key = jax.random.key(np.uint32(low))
    return jax.random.fold_in(key, np.uint32(high)) if high else key


def check_solver(function: str, solver: Any, *, needs: int = 1) -> Solver:
    """Requires a solver that returns at least ``needs`` singular triplets."""
    if isinstance(solver, LowRank):
        if solver.rank < needs:
            raise _checks.failure(
                ValueError,
                function,
                "solver",
                f"of rank at least {needs}, the number of directions asked for",
                repr(solver),
                f"Use LowRank(rank={needs}) or an exact solver.",
            )
        return solver
    others = " or a linalg.LowRank"
    if solver is LowRank or (isinstance(solver, str) and solver.lower() in _LOW_RANK):
        raise _checks.failure(
            ValueError,
            function,
            "solver",
            f"one of {', '.join(map(repr, EXACT_SOLVERS))}{others}",
            repr(solver) if isinstance(solver, str) else _checks.described(solver),
            "Say how much to keep: linalg.LowRank(rank=...).",
        )
    return _checks.choice(function, "solver", solver, EXACT_SOLVERS, others=others)

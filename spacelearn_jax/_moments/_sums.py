"""What moments hold, and additions that lose nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

#: Fields that add up once they are about one centre; the others are the centres.
ADDITIVE = ("n", "Szz", "Szy", "Syy", "third", "fourth")


class Sums(NamedTuple):
    """Weight, means and centred sums of products of everything seen so far.

    Rows with the same mask share their latent moments as a group: all quantities are one
    group, named "", unless samples may lack some, when each is one of its own and ""
    keeps the weight and mean of the rows that have any. All zeros is the neutral element
    of ``merge``.
    """

    n: dict[str, jax.Array]  # {group: ()}
    z_mean: dict[str, jax.Array]  # {group: (D,)}
    Szz: dict[str, jax.Array]  # {group that a quantity is in: (D, D)}
    y_mean: dict[str, jax.Array]  # {q: (p_q,)}
    Szy: dict[str, jax.Array]  # {q: (D, p_q)}
    Syy: dict[str, jax.Array] | None = None  # {q: (p_q, p_q)}
    # Sums of |z|^2 z and of |z|^4, which say how far to trust Szz.
    third: dict[str, jax.Array] | None = None  # {group that a quantity is in: (D,)}
    fourth: dict[str, jax.Array] | None = None  # {group that a quantity is in: ()}
    # What rounding took from every field above: the sum of both is the value. Without
    # it a float32 count stops at 2^24, and a mean far from 0 has no digits for the rest.
    low: "Sums | None" = None

    def group(self, q: str) -> str:
        """Returns the group of a quantity."""
        return q if q in self.Szz else ""

    @property
    def missing(self) -> bool:
        """Whether every quantity has rows of its own."""
        return "" not in self.Szz

    def fields(self, names: tuple[str, ...] = ADDITIVE) -> dict[str, dict[str, jax.Array]]:
        """Returns the fields of these names that are kept."""
        return {name: x for name in names if (x := getattr(self, name)) is not None}


def zeros(
    D: int,
    widths: Mapping[str, int],
    dtype: Any,
    *,
    targets: bool,
    fourth: bool,
    missing: bool,
) -> Sums:
    """Returns the moments of no rows: pairs in float32."""

    def zero(*shape: int) -> jax.Array:
        return jnp.zeros(shape, dtype)

    own = sorted(widths) if missing else [""]
    groups = ["", *own] if missing else own
    sums = Sums(
        n={g: zero() for g in groups},
        z_mean={g: zero(D) for g in groups},
        Szz={g: zero(D, D) for g in own},
        y_mean={q: zero(p) for q, p in widths.items()},
        Szy={q: zero(D, p) for q, p in widths.items()},
        Syy={q: zero(p, p) for q, p in widths.items()} if targets else None,
        third={g: zero(D) for g in own} if fourth else None,
        fourth={g: zero() for g in own} if fourth else None,
    )
    return sums._replace(low=jax.tree.map(jnp.zeros_like, sums)) if dtype == jnp.float32 else sums


def rounded(x: jax.Array) -> jax.Array:
    """Rounds a product once, so that every use of it sees the same number.

    XLA may compute a product again at each use, where LLVM may fuse it with a sum and not
    round it, so that what rounding took depends on the place. To one bit less than the
    dtype has it has to be rounded, and is the same. Only float32 needs it.
    """
    return lax.reduce_precision(x, 8, 22) if x.dtype == jnp.float32 else x


def two_sum(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the rounded sum and what rounding took from it, exactly.

    Neither term may be a product that is not ``rounded``.

    Reference:
        Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B.
    """
    s = x + y
    back = s - x
    return s, (x - (s - back)) + (y - back)


def two_product(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the float32 product, a digit short, and the rest of it.

    Reference:
        Dekker, A floating-point technique for extending the available precision,
        Numerische Mathematik 18, 1971.
    """
    p = rounded(x * y)
    x_high, y_high = lax.reduce_precision(x, 8, 11), lax.reduce_precision(y, 8, 11)
    x_low, y_low = x - x_high, y - y_high
    return p, ((x_high * y_high - p) + (x_high * y_low + x_low * y_high)) + x_low * y_low


def accumulated(
    low: jax.Array | None, first: jax.Array, *others: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    """Returns the sum of all terms, and its low part where one is kept."""
    total = first
    if low is None:
        for term in others:
            total = total + term
        return total, None
    for term in others:
        total, rest = two_sum(total, term)
        low = low + rest
    return two_sum(total, low)

"""The moments of one batch from one product of each kind and few passes over it."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax._moments import _products
from spacelearn_jax._moments._batch import Rows
from spacelearn_jax._moments._merge import with_mean_along
from spacelearn_jax._moments._sums import Moments, rounded, two_sum

_SAMPLE = 256  # rows


def of_plain_batch(
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: jax.Array | None,
    dtype: jnp.dtype,
    *,
    V: jax.Array | None,
) -> tuple[Moments, jax.Array]:
    """Returns moments as pairs, detached, and by what their sums of products were larger.

    Those have plain digits. Rows are centred by the mean of some of them, and what that
    leaves of the mean of all, d, is taken off the products, n d d^T. It is small where a
    sample tells the mean, and where it is not, n d^2 over the sum that is left, at most, says
    how many digits are lost. The first row has to be valid. Latents are coordinates z V
    (B, D) where there is a ``V`` (D, D).
    """
    Z = lax.stop_gradient(Z).astype(dtype)
    own = Rows(where, None, Z, None)
    some = slice(None, None, -(-len(Z) // _SAMPLE))
    sample = Rows(None if where is None else where[some], None, Z[some], None)

    def centred(x: jax.Array) -> tuple[jax.Array, jax.Array, tuple[jax.Array, jax.Array]]:
        # From the first row on, so that nothing is left of a column that is constant.
        rough = x[0] + sample.mean(_numerics.keep(x[some] - x[:1], sample.mask))
        x = _numerics.keep(x - rough[None], where)
        d = own.mean(x)
        return x, d, two_sum(rough, d)

    def product(x: jax.Array, y: jax.Array, dx: jax.Array, dy: jax.Array) -> jax.Array:
        P = _products.over_rows(x, y, None, plain=True).high
        return rounded(P - own.n * jnp.outer(dx, dy))

    def larger(S: jax.Array, d: jax.Array) -> jax.Array:
        return jnp.max(_numerics.safe_divide(own.n * jnp.square(d), jnp.abs(jnp.diagonal(S))))

    x, dx, (mean, rest) = centred(Z)
    if V is not None:
        x, dx = (jnp.matmul(rows, V, precision=_numerics.EXACT) for rows in (x, dx))
    Szz = product(x, x, dx, dx)
    ratios = [larger(Szz, dx)]
    square = jnp.sum(jnp.square(x - dx[None]), axis=1, keepdims=True)
    square = _numerics.keep(square, where)
    third = _numerics.gram(x, square, None)[:, 0] - dx * jnp.sum(square)
    y_mean, y_rest, Szy, Syy = {}, {}, {}, {}
    for q, y in Y.items():
        flat = _numerics.flatten(lax.stop_gradient(y), dtype)
        yc, dy, (y_mean[q], y_rest[q]) = centred(flat)
        Szy[q] = product(x, yc, dx, dy)
        Syy[q] = product(yc, yc, dy, dy)
        ratios.append(larger(Syy[q], dy))
    batch = Moments(
        {"": own.n},
        {"": mean},
        {"": Szz},
        y_mean,
        Szy,
        Syy,
        third={"": third},
        fourth={"": jnp.sum(jnp.square(square))},
    )
    low = jax.tree.map(jnp.zeros_like, batch)
    batch = batch._replace(low=low._replace(z_mean={"": rest}, y_mean=y_rest))
    batch = batch if V is None else with_mean_along(batch, V)
    return batch, jnp.max(jnp.stack(ratios))

"""The least time that the matrix products need: counted operations over a measured peak."""

import jax
import jax.numpy as jnp

from benchmarks._inputs import Size
from benchmarks._timing import seconds


def peak(n: int, tries: int = 10) -> float:
    """Measures operations a second in a product of two n x n matrices, the best of several."""
    A = jnp.full((n, n), 0.5, jnp.float32)
    product = jax.jit(jnp.matmul).lower(A, A).compile()
    best = min(seconds(lambda: jax.block_until_ready(product(A, A))) for _ in range(1 + tries))
    return 2 * n**3 / best


def loss_operations(name: str, size: Size) -> int:
    """Counts what value and gradient with respect to Z take, in products of matrices.

    A product of (a, b) and (b, c) counts 2abc. With K the sum of all k:

    - coordinates: S = Zc W^T, 2BDK, which all but stability read, and once more for
      their gradient dS W, 2BDK;
    - alignment: S_q A_q and its gradient with respect to S_q, 4B sum(k p);
    - disentanglement: the Gram matrix S^T S and its gradient S (dC + dC^T), 4BK^2; by
      itself (dC + dC^T) W comes first, so that its gradient is that of the coordinates;
    - isotropy: the rest R = Zc - S W, 2BDK, and its smaller Gram matrix, 2BD min(B, D).

    Not counted: the eigenproblem of that Gram matrix, which is measured by itself; the
    few leading vectors that isotropy's gradient is made of; all that is done by element;
    and the time that memory takes.
    """
    B, D, K = size.B, size.D, size.K
    project = 2 * B * D * K
    parts = {
        "alignment": 4 * B * sum(k * p for k, p in zip(size.k, size.p, strict=True)),
        "disentanglement": 4 * B * K * K,
        # Its gradient does not pass through the coordinates but the leading vectors.
        "isotropy": project + 2 * B * D * min(B, D),
    }
    if name == "disentanglement":
        parts[name] //= 2
    if name == "combined":
        return 2 * project + sum(parts.values())
    return (1 if name == "isotropy" else 2) * project + parts[name]


def solve_operations(size: Size, *, decoders: bool) -> int:
    """Counts the products in solving all subspaces, and decoders if asked for.

    By quantity: the cross-covariance Zc^T yc, 2BDp; for decoders also the coordinates
    Zc W^T, 2BDk, and the normal equations S^T S and S^T yc, 2Bk(k + p). Not counted: the
    eigenproblem of the smaller Gram matrix of (D, p), which is measured by itself.
    """
    B, D = size.B, size.D
    total = 0
    for k, p in zip(size.k, size.p, strict=True):
        total += 2 * B * D * p
        if decoders:
            total += 2 * B * D * k + 2 * B * k * (k + p)
    return total

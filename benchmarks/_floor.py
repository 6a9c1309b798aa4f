"""The least time that a device needs: counted operations and bytes over measured peaks."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from benchmarks._inputs import Size
from benchmarks._timing import seconds


class Peaks(NamedTuple):
    """What the device reached by itself: operations and bytes a second."""

    operations: float
    bytes: float

    def as_dict(self) -> dict[str, float]:
        """Returns what a result records."""
        return {"peak_gflops": self.operations / 1e9, "peak_gbytes": self.bytes / 1e9}

    def floor(self, operations: int, moved: int) -> dict[str, float]:
        """Returns milliseconds for both, and the longer as the floor."""
        products, memory = 1e3 * operations / self.operations, 1e3 * moved / self.bytes
        return {"floor": max(products, memory), "products": products, "memory": memory}


def peaks(dtype: jnp.dtype = jnp.float32, *, quick: bool = False, tries: int = 10) -> Peaks:
    """Measures a product of two large matrices and a copy of a longer array, at their best.

    Products are in full precision, as all of ours are: no device may round what they take.
    """
    large = jax.default_backend() != "cpu" and not quick
    n = 256 if quick else 8192 if large else 2048
    A = jax.random.normal(jax.random.key(0), (n, n)).astype(dtype)
    x = jnp.ones((1 << 28 if large else 1 << 20 if quick else 1 << 24,), jnp.float32)
    product = jax.jit(lambda a: jnp.matmul(a, a, precision="highest")).lower(A).compile()
    copy = jax.jit(lambda a: a + 1).lower(x).compile()

    def best(call: jax.stages.Compiled, given: jax.Array) -> float:
        return min(seconds(lambda: jax.block_until_ready(call(given))) for _ in range(1 + tries))

    return Peaks(2 * n**3 / best(product, A), 2 * x.nbytes / best(copy, x))


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


def loss_bytes(name: str, size: Size, itemsize: int) -> int:
    """Counts what value and gradient with respect to Z read and write at least, once each."""
    latents, bases = 2 * size.B * size.D, size.K * size.D
    targets = size.B * sum(size.p) + sum(k * p for k, p in zip(size.k, size.p, strict=True))
    counts = {"alignment": latents + bases + targets, "combined": latents + 2 * bases + targets}
    return itemsize * counts.get(name, latents + bases)


def solve_bytes(size: Size, itemsize: int, *, decoders: bool) -> int:
    """Counts what a solve reads and writes at least, once each."""
    total = size.B * (size.D + sum(size.p))
    for k, p in zip(size.k, size.p, strict=True):
        total += k * (size.D + p) + (k * p if decoders else 0)
    return itemsize * total


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

"""Latents, bases, decoders and targets to measure with."""

from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Size(NamedTuple):
    """Batch, latent dimensions, and by quantity the subspace's and the target's."""

    B: int
    D: int
    k: tuple[int, ...]
    p: tuple[int, ...]

    @classmethod
    def equal(cls, B: int, D: int, Q: int, k: int, p: int) -> "Size":
        """Makes Q quantities of one shape."""
        return cls(B, D, (k,) * Q, (p,) * Q)

    @property
    def Q(self) -> int:
        """The number of quantities."""
        return len(self.k)

    @property
    def K(self) -> int:
        """The dimensions of all subspaces together."""
        return sum(self.k)

    def __str__(self) -> str:
        def shown(sizes: tuple[int, ...]) -> str:
            low, high = min(sizes), max(sizes)
            return str(low) if low == high else f"{low}..{high}"

        return f"B={self.B} D={self.D} Q={self.Q} k={shown(self.k)} p={shown(self.p)}"

    def as_dict(self) -> dict[str, object]:
        """Returns what a result records."""
        return {"B": self.B, "D": self.D, "Q": self.Q, "k": list(self.k), "p": list(self.p)}


class Inputs(NamedTuple):
    """What ``combined_loss`` takes, in NumPy, in the order of its arguments."""

    Z: np.ndarray
    W: Arrays
    A: Arrays
    Y: Arrays
    W_prev: Arrays


def draw(size: Size, seed: int = 0) -> Inputs:
    """Draws normal data, with subspaces that are orthogonal to one another."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    names = [f"q{i:02d}" for i in range(size.Q)]
    basis = np.linalg.qr(normal(size.D, size.K))[0].T
    parts = [np.ascontiguousarray(w) for w in np.split(basis, np.cumsum(size.k)[:-1])]
    W = dict(zip(names, parts, strict=True))
    shapes = list(zip(names, size.k, size.p, strict=True))
    return Inputs(
        Z=normal(size.B, size.D),
        W=W,
        A={q: normal(k, p) / np.float32(k) ** np.float32(0.5) for q, k, p in shapes},
        Y={q: normal(size.B, p) for q, _, p in shapes},
        W_prev={q: w + np.float32(1e-3) * normal(*w.shape) for q, w in W.items()},
    )

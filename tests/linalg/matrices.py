"""Matrices whose singular values are known beforehand."""

import numpy as np

SPECTRA = {
    "well conditioned": np.array([5.0, 4.0, 3.0, 2.0, 1.0]),
    "rank deficient": np.array([3.0, 2.0, 1.0, 0.0, 0.0]),
    "repeated": np.array([2.0, 2.0, 2.0, 1.0, 1.0]),
    "ill conditioned": np.logspace(0, -12, 5),
    "small": 1e-9 * np.array([5.0, 4.0, 3.0, 2.0, 1.0]),
    "zero": np.zeros(5),
}
SHAPES = {"tall": (9, 5), "wide": (5, 9), "square": (5, 5)}


def orthonormal(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((m, n)))[0]


def prescribed(s: np.ndarray, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Returns U diag(s) V^T with random U and V."""
    rng = np.random.default_rng(seed)
    m, n = shape
    return orthonormal(rng, m, len(s)) * s @ orthonormal(rng, n, len(s)).T


def hilbert(n: int) -> np.ndarray:
    i = np.arange(n)
    return 1.0 / (i[:, None] + i + 1.0)

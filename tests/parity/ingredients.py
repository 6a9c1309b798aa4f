"""Latents, bases, targets and fields for the cases, from a random generator."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

B, D = 37, 19
KS = {"energy": 3, "pressure": 5, "strain": 2, "vorticity": 1}
# One target of each rank, 1-D to 4-D; the flattened widths are 12, 12, 6 and 1.
SHAPES = {"energy": (12,), "pressure": (1, 3, 4), "strain": (2, 3), "vorticity": ()}


def latents(
    rng: np.random.Generator, b: int = B, d: int = D, *, rank: int | None = None
) -> np.ndarray:
    """Latents (b, d) with a mean that is not zero and mildly different scales."""
    if rank is not None:
        Z = rng.standard_normal((b, rank)) @ rng.standard_normal((rank, d))
    else:
        Z = rng.standard_normal((b, d)) * np.linspace(1.5, 0.5, d)
    return Z + rng.standard_normal(d)


def orthonormal(rng: np.random.Generator, k: int, d: int = D) -> np.ndarray:
    """Orthonormal rows (k, d)."""
    return np.linalg.qr(rng.standard_normal((d, k)))[0].T.copy()


def bases(rng: np.random.Generator, ks: Mapping[str, int], d: int = D) -> dict[str, np.ndarray]:
    """Bases of mutually orthogonal subspaces, or of overlapping ones if d is too small."""
    total = sum(ks.values())
    if total > d:
        return {name: orthonormal(rng, k, d) for name, k in ks.items()}
    return split(orthonormal(rng, total, d), ks)


def split(rows: np.ndarray, ks: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Hands out consecutive rows, k to each name."""
    stops = np.cumsum(list(ks.values()))
    return {name: rows[stop - k : stop] for (name, k), stop in zip(ks.items(), stops, strict=True)}


def targets(
    rng: np.random.Generator, Z: np.ndarray, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Targets that depend on the latents, with noise and a mean that is not zero."""
    Y = {}
    for name, shape in shapes.items():
        p = math.prod(shape)
        y = np.tanh(Z @ rng.standard_normal((Z.shape[1], p)) / 3)
        y = y + 0.3 * rng.standard_normal(y.shape) + rng.standard_normal(p)
        Y[name] = y.reshape(len(Z), *shape)
    return Y


def decoders(
    rng: np.random.Generator, ks: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Decoders (k, p), and (k,) for a 1-D target."""
    return {
        name: rng.standard_normal((k, math.prod(shapes[name])) if shapes[name] else k)
        for name, k in ks.items()
    }


def problem(
    rng: np.random.Generator,
    *,
    b: int = B,
    d: int = D,
    ks: Mapping[str, int] = KS,
    shapes: Mapping[str, tuple[int, ...]] = SHAPES,
    rank: int | None = None,
    constant: bool = False,
    extra: bool = False,
    prev: bool = True,
) -> dict[str, Any]:
    """Everything that a loss or a solve reads; each function takes what it names.

    Args:
        rng: Source of the numbers.
        b: Rows.
        d: Latent dimensions.
        ks: Rows of each basis.
        shapes: Trailing shape of each target.
        rank: Rank of the latents.
        constant: Makes one latent column constant, and a row of a basis select it. One
            half is exact in binary, so that the centred column is exactly zero.
        extra: Adds a name to Y, A and W_prev that W lacks.
        prev: Whether there is a previous basis.
    """
    Z = latents(rng, b, d, rank=rank)
    W = bases(rng, ks, d)
    if constant:
        # The first row of the first basis is the first latent axis, and every other row
        # is zero there.
        rows = np.zeros((sum(ks.values()), d))
        rows[0, 0] = 1.0
        rows[1:, 1:] = orthonormal(rng, len(rows) - 1, d - 1)
        W = split(rows, ks)
        Z[:, 0] = 0.5
    Y, A = targets(rng, Z, shapes), decoders(rng, ks, shapes)
    W_prev = {n: w + 0.1 * rng.standard_normal(w.shape) for n, w in W.items()} if prev else None
    if extra:
        Y["zonal"] = rng.standard_normal((b, 4))
        A["zonal"] = rng.standard_normal((2, 4))
        if W_prev is not None:
            W_prev["zonal"] = orthonormal(rng, 2, d)
    return {"Z": Z, "W": W, "A": A, "Y": Y, "W_prev": W_prev}


def smooth_fields(
    rng: np.random.Generator, b: int = B, size: int = 16, decay: float = 1.5
) -> np.ndarray:
    """Fields (b, 1, size, size) with a power-law spectrum, so that few modes matter."""
    waves = np.fft.fftfreq(size, 1 / size)
    power = (1 + np.hypot(*np.meshgrid(waves, waves))) ** -decay
    noise = np.fft.fft2(rng.standard_normal((b, 1, size, size)))
    return np.fft.ifft2(noise * power).real


def smooth_sequences(
    rng: np.random.Generator, b: int = B, size: int = 48, decay: float = 1.5
) -> np.ndarray:
    """Sequences (b, size) with a power-law spectrum."""
    power = (1 + np.abs(np.fft.fftfreq(size, 1 / size))) ** -decay
    return np.fft.ifft(np.fft.fft(rng.standard_normal((b, size))) * power).real

"""Inputs on which spacelearn 0.1.0 and the port differ, for both sides, in NumPy."""

import numpy as np

from .ingredients import orthonormal


def large():
    """Latents, targets and a basis past the 100,000 entries where ``auto`` turns random."""
    rng = np.random.default_rng(1)
    Z, Y = rng.standard_normal((340, 330)), rng.standard_normal((340, 310))
    return Z, {"a": Y}, {"a": np.eye(330)[:3]}


def pair():
    """Latents, and two bases that share an axis."""
    Z = np.random.default_rng(2).standard_normal((24, 6))
    return Z, {"a": np.eye(6)[:2], "b": np.eye(6)[1:3]}


def uneven():
    """Latents, and two bases with 7 and 3 rows."""
    rng = np.random.default_rng(3)
    rows = orthonormal(rng, 10, 12)
    Z = rng.standard_normal((30, 12)) @ rng.standard_normal((12, 12))
    return Z, {"a": rows[:7], "b": rows[7:]}


def half():
    """Latents of 16 bits with a constant column, which two bases select."""
    Z, W = pair()
    Z[:, 0] = 0.5
    return Z.astype(np.float16), {name: w.astype(np.float16) for name, w in W.items()}


def rotation(k):
    """A rotation of k axes, away from every permutation."""
    return orthonormal(np.random.default_rng(4), k, k)


def turned(degrees=0.0):
    """A basis; or its rows negated and one of them turned a little out of the subspace."""
    W = np.eye(6)[:3]
    if degrees:
        angle = np.deg2rad(degrees)
        W = -W
        W[0] = -np.cos(angle) * np.eye(6)[0] + np.sin(angle) * np.eye(6)[3]
    return {"a": W}


def same_subspace():
    """Two bases of one subspace, 40 degrees apart row by row."""
    W = orthonormal(np.random.default_rng(5), 2, 19)
    c, s = np.cos(np.deg2rad(40)), np.sin(np.deg2rad(40))
    return W, np.array([[c, -s], [s, c]]) @ W


def single_precision():
    """Bases that float32 rounding leaves not quite orthonormal."""
    rng = np.random.default_rng(5)
    return [orthonormal(rng, 5, 19).astype(np.float32) for _ in range(8)]


def constant_target():
    return {"a": np.full((20, 7), 3.0)}


def noise_target():
    return {"a": np.random.default_rng(6).standard_normal((20, 7))}


def decaying_target():
    rng = np.random.default_rng(7)
    return {"a": rng.standard_normal((20, 15)) * np.linspace(1, 0.05, 15)}


def deficient():
    """A tall matrix of rank 2."""
    rng = np.random.default_rng(8)
    return rng.standard_normal((20, 2)) @ rng.standard_normal((2, 6))


def train_and_new():
    """Latents and targets far from zero, to solve on and then to decode."""
    rng = np.random.default_rng(9)
    Z = rng.standard_normal((60, 5)) + 4.0
    Y = {"a": Z[:, :2] @ rng.standard_normal((2, 3)) + 10.0}
    return Z[:40], {"a": Y["a"][:40]}, Z[40:], {"a": Y["a"][40:]}


def annotations():
    """Two functions of one input, of which only one says its type."""

    def unannotated(u):
        return u

    def annotated(u: float):
        return u

    return unannotated, annotated


def even_rest():
    """Latents whose rest outside the first two axes has r equal singular values."""
    rng = np.random.default_rng(10)
    r = 4
    noise = rng.standard_normal((24, 2 + r))
    return np.linalg.qr(noise - noise.mean(0))[0], r


def dead_coordinate():
    """A basis whose first coordinate is constant over the batch, and a target of the rest."""
    rng = np.random.default_rng(11)
    Z = rng.standard_normal((20, 5))
    Z[:, 0] = 0.5
    return {"a": np.eye(5)[:3]}, Z, {"a": Z[:, 1:3] @ rng.standard_normal((2, 4))}


def many_rows():
    """Returns 65,536 float32 rows, with one coordinate of 1/200 of the other's size."""
    x = np.random.default_rng(20).standard_normal((65_536, 2))
    Z = (x * [1, 0.005]).astype(np.float32)
    return {"a": np.eye(2, dtype=np.float32)}, Z, {"a": x.sum(1).astype(np.float32)}


def few_rows_far_from_0():
    """Returns 10 float32 rows of 64 latents, 100 deviations from 0, and bases of 32."""
    rng = np.random.default_rng(21)
    mean = 100 * rng.standard_normal(64)
    Z = (rng.standard_normal((10, 64)) + mean).astype(np.float32)
    W = np.linalg.qr(rng.standard_normal((64, 32)))[0].T.astype(np.float32)
    Y = ((Z - Z.mean(0)) @ rng.standard_normal((64, 8)) / 8).astype(np.float32)
    return {"a": W}, Z, {"a": Y}


def empty_directions():
    """Returns latents that vary in 8 of 32 directions, and bases of 12 that have others."""
    rng = np.random.default_rng(22)
    span = np.linalg.qr(rng.standard_normal((32, 32)))[0]
    Z = (rng.standard_normal((64, 8)) @ span[:8]).astype(np.float32)
    W = {}
    for q in ("a", "b"):
        inside = np.linalg.qr(rng.standard_normal((8, 8)))[0] @ span[:8]
        outside = np.linalg.qr(rng.standard_normal((24, 4)))[0].T @ span[8:]
        W[q] = np.concatenate([inside, outside]).astype(np.float32)
    return Z, W


def shortest_decoder(W, Z, Y):
    """Returns the minimum-norm least-squares decoder in float64, as in the inputs above."""
    Z, Y = (x - x.mean(0) for x in (Z.astype(np.float64), Y["a"].astype(np.float64)))
    return np.linalg.pinv(Z @ W["a"].T.astype(np.float64), rcond=1e-6) @ Y

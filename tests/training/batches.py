"""Small batches whose subspaces are well determined."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.typing import ArrayLike

from spacelearn_jax import Space
from spacelearn_jax.training import SubspaceTracker, TrackerState

D = 6
K = {"p": 2, "s": 1}

# NumPy throughout: every operation on JAX arrays would be one more program to compile.
Batch = tuple[np.ndarray, dict[str, np.ndarray]]


def mixed(seed: int, B: int = 24, dtype: str = "float32") -> Batch:
    """Returns latents with means, and targets that depend on them linearly plus noise."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(B, D)) * np.linspace(2, 1, D) + np.linspace(-1, 3, D)
    M = np.random.default_rng(99).normal(size=(D, 3)) * [3.0, 1.0, 0.2]
    Y = {
        "p": (Z @ M + 0.1 * rng.normal(size=(B, 3))).reshape(B, 3, 1),
        "s": Z[:, 1] - Z[:, 4] + 5 + 0.1 * rng.normal(size=B),
    }
    return Z.astype(dtype), {q: y.astype(dtype) for q, y in Y.items()}


def with_covariance(C: Mapping[str, np.ndarray], B: int = 16, dtype: str = "float32") -> Batch:
    """Returns white latents and targets whose cross-covariances are exactly B * C_q."""
    width = next(iter(C.values())).shape[0]
    noise = np.random.default_rng(0).normal(size=(B, width))
    Q = np.linalg.qr(noise - noise.mean(0))[0] * np.sqrt(B)
    return Q.astype(dtype), {q: (Q @ c).astype(dtype) for q, c in C.items()}


def joined(batches: list[Batch]) -> Batch:
    """Returns all rows of several batches as one."""
    Z = np.concatenate([z for z, _ in batches])
    return Z, {q: np.concatenate([y[q] for _, y in batches]) for q in batches[0][1]}


def run(tracker: SubspaceTracker, batches: list[Batch]) -> TrackerState:
    """Starts on the first batch and updates with the others."""
    state = tracker.init(*batches[0])
    for Z, Y in batches[1:]:
        state = tracker.update(Z, Y, state)
    return state


def assert_same_space(got: Space, expected: Space, tol: float) -> None:
    """Requires the same bases, decoders, means and decoded values."""
    Z = np.random.default_rng(5).normal(size=(7, D)).astype(got.z_mean.dtype)
    for a, b in ((got, expected), (decoded(got, Z), decoded(expected, Z))):
        assert jax.tree.structure(a) == jax.tree.structure(b)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_allclose(x, y, rtol=tol, atol=tol * (1 + np.abs(y).max()))


def decoded(space: Space, Z: np.ndarray) -> dict[str, np.ndarray]:
    """Decodes by the formula."""
    leaves = jax.tree.map(np.asarray, space)
    return {
        q: (Z - leaves.z_mean) @ w.T @ a.reshape(len(w), -1) + leaves.y_mean[q]
        for q, (w, a, _) in leaves.items()
    }


def projector(w: ArrayLike) -> np.ndarray:
    """Returns the projector on the span of a basis."""
    w = np.asarray(w, np.float64)
    return w.T @ w

"""Random batches with everything that the functions take, and transformations of them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from spacelearn_jax import loss, optim

# Every example of a shape that was met before runs compiled code, so shapes are few.
SHAPES = [(11, 6, (2, 1, 3)), (24, 7, (1, 1, 2))]
quick = hypothesis.settings(max_examples=15, deadline=None, derandomize=True)


class Batch(NamedTuple):
    """Latents, targets, bases and decoders, and the generator to transform them with."""

    Z: np.ndarray
    Y: dict[str, np.ndarray]
    W: dict[str, np.ndarray]
    A: dict[str, np.ndarray]
    rng: np.random.Generator

    @property
    def k(self) -> dict[str, int]:
        """Dimension of every subspace."""
        return {q: len(w) for q, w in self.W.items()}


def rotation(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


@st.composite
def batches(draw: Callable[..., Any], *, shapes: int = len(SHAPES)) -> Batch:
    """Draws a batch whose targets depend on its latents, in float64."""
    B, D, (k_a, k_b, k_c) = draw(st.sampled_from(SHAPES[:shapes]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = 10.0 ** rng.uniform(-1, 1, D)
    Z = rng.standard_normal((B, D)) * spread + rng.standard_normal(D)
    noise = rng.uniform(0.01, 1.0)

    def target(*shape: int) -> np.ndarray:
        p = int(np.prod(shape, dtype=int))
        y = Z @ rng.standard_normal((D, p)) + noise * rng.standard_normal((B, p))
        return (y + rng.standard_normal(p)).reshape(B, *shape)

    Y = {"a": target(3), "b": target(), "c": target(2, 2)}
    W = {q: rotation(rng, D)[:k] for q, k in zip("abc", (k_a, k_b, k_c), strict=True)}
    A = {"a": rng.standard_normal((k_a, 3)), "c": rng.standard_normal((k_c, 4))}
    A["b"] = rng.standard_normal(k_b)
    return Batch(Z, Y, W, A, rng)


def in_x64(test: Callable[..., None]) -> Callable[..., None]:
    """Runs every example in float64."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with jax.enable_x64(True):
            test(*args, **kwargs)

    return run


def losses(batch: Batch, where: np.ndarray | None = None) -> dict[str, jax.Array]:
    """Evaluates every loss of a batch."""
    Z, Y, W, A, _ = batch
    return {
        "alignment": loss.alignment_loss(Z, W, A, Y, where=where),
        "disentanglement": loss.disentanglement_loss(Z, W, where=where),
        "original": loss.disentanglement_loss_original(Z, W, where=where),
        "isotropy": loss.isotropy_loss(Z, W, 4, where=where),
    }


def sizes(batch: Batch, where: np.ndarray | None = None) -> dict[str, Any]:
    """Sizes every target of a batch."""
    fields = {q: y for q, y in batch.Y.items() if y.ndim > 1}
    return {
        "k": optim.k_per_q(batch.Y, 0.8, where=where),
        "bins": optim.optimal_bins(fields, 8, 0.8, per_quantity=True, where=where),
    }


def projectors(W: dict[str, Any]) -> dict[str, np.ndarray]:
    return {q: np.asarray(w).T @ np.asarray(w) for q, w in W.items()}


def assert_close(got: Any, expected: Any, rtol: float = 1e-9, atol: float = 1e-11) -> None:
    """Compares two trees leaf by leaf."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for path, leaf in jax.tree.leaves_with_path(got):
        assert jnp.result_type(leaf) in (jnp.float64, jnp.int64, jnp.int32), path
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), got, expected)

"""Eigenvectors of symmetric matrices, alone and many at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.linalg import _lapack


def symmetric(*shape):
    A = np.random.default_rng(0).standard_normal((*shape, shape[-1]), np.float32)
    return A + np.swapaxes(A, -1, -2)


def program(function, shape, platform):
    G = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.jit(function).trace(G).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_vmap_maps(shape):
    G, mapped = symmetric(*shape, 5), _lapack.eigh
    for _ in shape:
        mapped = jax.vmap(mapped)
    values, X = jax.jit(mapped)(G)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(G), atol=1e-5)
    np.testing.assert_allclose(G @ X, X * np.asarray(values)[..., None, :], atol=1e-5)


@pytest.mark.parametrize("n", [64, 256, 300])
def test_cuda_takes_small_ones_at_once(n):
    """Two at least: one alone goes to the solver for large ones."""
    assert (f"2x{n}x{n}xf32" in program(_lapack.eigh, (n, n), "cuda")) is (n <= 128)
    assert ("while" in program(jax.vmap(_lapack.eigh), (3, n, n), "cuda")) is (n > 256)


def test_the_cpu_takes_one_after_the_other():
    assert "2x64x64" not in program(_lapack.eigh, (64, 64), "cpu")
    assert "while" in program(jax.vmap(_lapack.eigh), (3, 64, 64), "cpu")


def test_values_and_vectors_have_the_derivatives_of_jax():
    G, D = symmetric(3, 5), symmetric(3, 5)[::-1]
    ours, expected = (
        jax.jvp(jax.vmap(mapped), (G,), (D,))[1] for mapped in (_lapack.eigh, jnp.linalg.eigh)
    )
    for got, wanted in zip(ours, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_singular_vectors_have_the_derivatives_of_jax(x64, shape):
    A, D = np.random.default_rng(1).standard_normal((2, *shape))
    ours = jax.jvp(_lapack.svd, (A,), (D,))
    expected = jax.jvp(lambda A: tuple(jnp.linalg.svd(A, full_matrices=False)), (A,), (D,))
    for got, wanted in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-11)

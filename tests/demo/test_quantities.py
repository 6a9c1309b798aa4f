"""Spectral formulas against an analytic flow and their defining equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax.demo.quantities import flow_quantities, velocity

N = 32


def grid():
    axis = np.arange(N) * 2 * np.pi / N
    return np.meshgrid(axis, axis, indexing="ij")  # y, x


def random_vorticity(seed=0, cutoff=5):
    """A smooth random field with zero mean, band-limited so that its products are exact."""
    rng = np.random.default_rng(seed)
    k = np.abs(np.fft.fftfreq(N, 1 / N))
    keep = (k[:, None] <= cutoff) & (k[None, :] <= cutoff)
    keep[0, 0] = False
    return np.fft.ifft2(np.fft.fft2(rng.normal(size=(N, N))) * keep).real.astype(np.float32)


def derivative(field, axis):
    shape = (-1, 1) if axis == 0 else (1, -1)
    k = np.fft.fftfreq(N, 1 / N)
    k[N // 2] = 0
    return np.fft.ifft2(1j * k.reshape(shape) * np.fft.fft2(np.asarray(field, np.float64))).real


def test_taylor_green_vortex():
    y, x = grid()
    # u = (cos x sin y, -sin x cos y) has vorticity -2 cos x cos y.
    w = (-2 * np.cos(x) * np.cos(y)).astype(np.float32)
    ux, uy = velocity(w)
    np.testing.assert_allclose(ux, np.cos(x) * np.sin(y), atol=2e-6)
    np.testing.assert_allclose(uy, -np.sin(x) * np.cos(y), atol=2e-6)
    q = flow_quantities(w)
    energy = ((np.cos(x) * np.sin(y)) ** 2 + (np.sin(x) * np.cos(y)) ** 2) / 2
    np.testing.assert_allclose(q["energy"], energy, atol=2e-6)
    # Its pressure is -(cos 2x + cos 2y) / 4, and u_x,x = -sin x sin y the whole of S.
    np.testing.assert_allclose(q["pressure"], -(np.cos(2 * x) + np.cos(2 * y)) / 4, atol=2e-6)
    np.testing.assert_allclose(q["strain"], 2 * np.abs(np.sin(x) * np.sin(y)), atol=4e-6)
    np.testing.assert_array_equal(q["vorticity"], w)


def test_velocity_has_the_vorticity_as_curl_and_no_divergence():
    w = random_vorticity()
    ux, uy = velocity(w)
    np.testing.assert_allclose(derivative(uy, 1) - derivative(ux, 0), w, atol=1e-5)
    np.testing.assert_allclose(derivative(ux, 1) + derivative(uy, 0), 0, atol=1e-5)


def test_pressure_solves_its_poisson_equation():
    w = random_vorticity(1)
    ux, uy = (np.asarray(u) for u in velocity(w))
    source = -(
        derivative(ux, 1) ** 2 + 2 * derivative(ux, 0) * derivative(uy, 1) + derivative(uy, 0) ** 2
    )
    p = flow_quantities(w)["pressure"]
    laplacian = derivative(derivative(p, 0), 0) + derivative(derivative(p, 1), 1)
    np.testing.assert_allclose(laplacian, source, atol=2e-4 * np.abs(source).max())
    assert abs(float(p.mean())) < 1e-6


def test_pressure_gradient_makes_the_acceleration_free_of_divergence():
    """The defining property: (u . grad) u + grad p has no divergence."""
    w = random_vorticity(2, cutoff=4)
    ux, uy = (np.asarray(u) for u in velocity(w))
    p = flow_quantities(w)["pressure"]
    ax = ux * derivative(ux, 1) + uy * derivative(ux, 0) + derivative(p, 1)
    ay = ux * derivative(uy, 1) + uy * derivative(uy, 0) + derivative(p, 0)
    scale = np.abs(derivative(derivative(p, 0), 0)).max()
    np.testing.assert_allclose(derivative(ax, 1) + derivative(ay, 0), 0, atol=1e-4 * scale)


def test_batches_are_taken_row_by_row():
    w = np.stack([random_vorticity(s) for s in range(3)])
    together = flow_quantities(w[None])
    for i in range(3):
        alone = flow_quantities(w[i])
        for q in alone:
            np.testing.assert_allclose(together[q][0, i], alone[q], rtol=1e-4, atol=1e-5)
            assert together[q].dtype == jnp.float32


def test_float64_stays_float64(x64):
    w = jnp.asarray(random_vorticity(), jnp.float64)
    q = jax.jit(flow_quantities)(w)
    assert {v.dtype for v in q.values()} == {jnp.dtype("float64")}


@pytest.mark.parametrize("shape", [(8,), (8, 10), (2, 9, 9)])
@pytest.mark.parametrize("function", [velocity, flow_quantities])
def test_wrong_grids(function, shape):
    with pytest.raises(ValueError, match=r"vorticity must be of shape \(\.\.\., n, n\)"):
        function(jnp.zeros(shape))


def test_integers_are_refused():
    with pytest.raises(TypeError, match="vorticity"):
        velocity(jnp.zeros((8, 8), int))

"""What a vorticity field of a 2-D incompressible flow determines, by spectral formulas.

The box is periodic with side 2 pi, the first spatial axis is y and the second x, and
everything is nondimensional.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics


def _wavenumbers(n: int, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Integer wavenumbers (n, 1) along y and (1, n // 2 + 1) along x."""
    ky = jnp.fft.fftfreq(n, 1 / n).astype(dtype)
    kx = jnp.fft.rfftfreq(n, 1 / n).astype(dtype)
    return ky[:, None], kx[None, :]


def _spectrum(
    function: str, vorticity: ArrayLike
) -> tuple[jax.Array, Callable[[jax.Array], jax.Array], jax.Array, jax.Array, jax.Array]:
    """Stream function in Fourier space, with what differentiates and inverts it.

    Returns:
        The stream function's coefficients, the transform back, the operators of d/dy and
        d/dx, and the inverse Laplacian, which has zero mean.
    """
    w = _checks.floating(function, "vorticity", vorticity)
    if w.ndim < 2 or w.shape[-1] != w.shape[-2] or w.shape[-1] % 2:
        raise _checks.failure(
            ValueError,
            function,
            "vorticity",
            "of shape (..., n, n) with an even n",
            f"shape {w.shape}",
            "The two last axes are y and x of a square periodic grid.",
        )
    w = w.astype(_numerics.compute_dtype(w))
    n = w.shape[-1]
    lead = (1,) * (w.ndim - 2)
    ky, kx = _wavenumbers(n, w.dtype)
    square = kx**2 + ky**2
    inverse = jnp.where(square == 0, 0, -1 / jnp.where(square == 0, 1, square))
    # The derivative of the highest even mode isn't representable on the grid.
    ky = jnp.where(jnp.abs(ky) == n // 2, 0, ky)
    kx = jnp.where(kx == n // 2, 0, kx)
    unit = jnp.asarray(1j, jnp.complex128 if w.dtype == jnp.float64 else jnp.complex64)
    dy, dx = (unit * jnp.broadcast_to(k, square.shape).astype(unit.dtype) for k in (ky, kx))
    dy, dx, inverse = (op.reshape(*lead, *op.shape) for op in (dy, dx, inverse))
    inverse = inverse.astype(unit.dtype)

    def back(spectrum: jax.Array) -> jax.Array:
        return jnp.fft.irfft2(spectrum, s=(n, n)).astype(w.dtype)

    return jnp.fft.rfft2(w) * inverse, back, dy, dx, inverse


def velocity(vorticity: ArrayLike) -> jax.Array:
    """Velocity of the flow, from the stream function.

    ``u = (-d psi / dy, d psi / dx)`` with ``laplace psi = vorticity``, so that the curl
    ``du_y / dx - du_x / dy`` is the vorticity and the divergence zero.

    Args:
        vorticity: Fields (..., n, n) on the periodic box of side 2 pi, zero mean.

    Returns:
        (..., 2, n, n): u_x, then u_y.

    Raises:
        TypeError: If ``vorticity`` is not a floating array.
        ValueError: If its last axes are not an even square grid.

    Example:
        >>> import jax.numpy as jnp
        >>> velocity(jnp.zeros((3, 8, 8))).shape
        (3, 2, 8, 8)
    """
    psi, back, dy, dx, _ = _spectrum("velocity", vorticity)
    return jnp.stack([back(-dy * psi), back(dx * psi)], axis=-3)


def flow_quantities(vorticity: ArrayLike) -> dict[str, jax.Array]:
    """Four quantities that a vorticity field determines; only the vorticity is linear in it.

    - ``energy``: kinetic energy density ``|u|^2 / 2``.
    - ``pressure``: ``laplace p = -sum_ij du_i/dx_j du_j/dx_i``, zero mean. Products are
      taken on the grid, so modes above a quarter of its points alias.
    - ``strain``: strain rate ``sqrt(2 S:S)``, S the symmetric velocity gradient.
    - ``vorticity``: the field itself.

    Args:
        vorticity: Fields (..., n, n) on the periodic box of side 2 pi, zero mean.

    Returns:
        ``{quantity: (..., n, n)}``.

    Raises:
        TypeError: If ``vorticity`` is not a floating array.
        ValueError: If its last axes are not an even square grid.

    Example:
        >>> import jax.numpy as jnp
        >>> sorted(flow_quantities(jnp.zeros((3, 8, 8))))
        ['energy', 'pressure', 'strain', 'vorticity']
    """
    psi, back, dy, dx, inverse = _spectrum("flow_quantities", vorticity)
    ux_hat, uy_hat = -dy * psi, dx * psi
    ux, uy = back(ux_hat), back(uy_hat)
    ux_x, ux_y, uy_x = back(dx * ux_hat), back(dy * ux_hat), back(dx * uy_hat)
    # uy_y = -ux_x, as the flow is incompressible.
    source = -2 * (ux_x**2 + ux_y * uy_x)
    return {
        "energy": (ux**2 + uy**2) / 2,
        "pressure": back(jnp.fft.rfft2(source) * inverse),
        "strain": jnp.sqrt(4 * ux_x**2 + (ux_y + uy_x) ** 2),
        "vorticity": jnp.asarray(vorticity),
    }

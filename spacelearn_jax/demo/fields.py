"""Decaying two-dimensional turbulence in a periodic box."""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax.demo._extras import require

BOX = 2 * math.pi
"""Side of the periodic box."""
CHUNK = 128
"""Initial conditions that are simulated at once."""


@dataclasses.dataclass(frozen=True)
class Simulation:
    """What to simulate: the Navier-Stokes equations for the vorticity, nondimensional.

    Args:
        conditions: Random initial conditions, each run by itself.
        points: Grid points n along each side.
        cutoff: Highest wavenumber of an initial condition, along either axis. Initial
            fields have unit standard deviation.
        viscosity: Kinematic viscosity.
        dt: Time step.
        snapshots: Steps after which a field is kept, increasing.
        seed: Seed of the initial conditions.

    Example:
        >>> Simulation(conditions=4).shape
        (4, 3, 32, 32)
    """

    conditions: int = 1536
    points: int = 32
    cutoff: int = 3
    viscosity: float = 0.01
    dt: float = 0.1
    snapshots: tuple[int, ...] = (20, 40, 60)
    seed: int = 0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the result: conditions, snapshots, y, x."""
        return self.conditions, len(self.snapshots), self.points, self.points


def simulate(
    simulation: Simulation, on_progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Simulates vorticity fields from random truncated Fourier series.

    Args:
        simulation: What to simulate.
        on_progress: Called with the conditions done and their total after each chunk.

    Returns:
        Vorticity (conditions, snapshots, n, n), float32; axes y, x last.

    Raises:
        ImportError: If the extra ``demo`` is not installed.

    Example:
        >>> fields = simulate(Simulation(conditions=2, points=16, snapshots=(1, 2)))
        >>> fields.shape, bool(abs(fields.mean()) < 1e-6)
        ((2, 2, 16, 16), True)
    """
    exponax = require("exponax")
    n = simulation.points

    @jax.jit
    def run(keys: jax.Array) -> jax.Array:
        def advance(state: jax.Array, count: jax.Array) -> tuple[jax.Array, jax.Array]:
            state = jax.lax.fori_loop(0, count, lambda _, u: jax.vmap(stepper)(u), state)
            return state, state[:, 0]

        state = jax.vmap(lambda key: initial(n, key=key))(keys)
        kept = jax.lax.scan(advance, state, jnp.diff(jnp.asarray((0, *simulation.snapshots))))[1]
        return jnp.swapaxes(kept, 0, 1).astype(jnp.float32)

    total = simulation.conditions
    size = min(CHUNK, total)
    keys = jax.random.split(jax.random.key(simulation.seed), -(-total // size) * size)
    fields = np.empty((len(keys), *simulation.shape[1:]), np.float32)
    # The solver mixes ranks and dtypes, whatever the caller forbids in code of their own.
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        stepper = exponax.stepper.NavierStokesVorticity(
            2, BOX, n, simulation.dt, diffusivity=simulation.viscosity
        )
        initial = exponax.ic.RandomTruncatedFourierSeries(2, cutoff=simulation.cutoff, std_one=True)
        for start in range(0, len(keys), size):
            fields[start : start + size] = run(keys[start : start + size])
            if on_progress is not None:
                on_progress(min(start + size, total), total)
    return fields[:total]

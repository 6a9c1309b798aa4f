"""Everything that a run of the demonstration depends on."""

import dataclasses
from typing import Self

from spacelearn_jax.demo.fields import Simulation


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run; the defaults are those of ``spacelearn-jax demo``.

    Args:
        steps: Training steps of each network.
        seed: Seed of the split, the initial weights and the batches.
        batch_size: Samples a step.
        learning_rate: Its peak, after a linear warm-up and before a cosine decay.
        warmup: Fraction of the steps in which the learning rate rises.
        clip_norm: Largest norm of a gradient.
        width: Channels of the network.
        max_bins: Most bins along each side that target fields are pooled to.
        bin_threshold: Fraction of a field's variance that the bins are to resolve.
        k_threshold: Fraction of a pooled target's variance that its subspace holds.
        free_fraction: Fraction of the latent space that belongs to no quantity.
        refresh_every: Steps between two solves of the subspaces by the tracker.
        decay: Weight that a batch keeps per later step in the moments that subspaces and
            decoders are solved from: the default sees about a hundred batches. With
            fewer, the subspaces turn by the noise of their samples, which costs accuracy.
        reference_size: Training samples that probes, and the subspaces of the network
            without SPACE, are fitted on at the end.
        reconstruction: Weight of the reconstruction error, at first and at last; it
            rises geometrically over the middle half of the training.
        latent_decay: Weight of the mean square of the latents.
        disentanglement: Weight of that term of the loss; alignment has weight 1.
        isotropy: Weight of that term of the loss.
        held_out: Fraction of the groups (initial conditions) that are only tested on.
        simulation: What to simulate, unless fields are given.

    Example:
        >>> Config().steps > Config.fast().steps
        True
    """

    steps: int = 400
    seed: int = 0
    batch_size: int = 64
    learning_rate: float = 5e-3
    warmup: float = 0.1
    clip_norm: float = 10.0
    width: int = 48
    max_bins: int = 4
    bin_threshold: float = 0.95
    k_threshold: float = 0.99
    free_fraction: float = 0.7
    refresh_every: int = 20
    decay: float = 0.99
    reference_size: int = 4096
    reconstruction: tuple[float, float] = (1.0, 4.0)
    latent_decay: float = 1e-3
    disentanglement: float = 0.02
    isotropy: float = 0.003
    held_out: float = 1 / 6
    simulation: Simulation = dataclasses.field(default_factory=Simulation)

    @classmethod
    def fast(cls) -> Self:
        """A run of seconds, that shows the outputs rather than the accuracy."""
        return cls(
            steps=60,
            width=16,
            refresh_every=5,
            reference_size=2048,
            simulation=Simulation(conditions=128, points=24),
        )

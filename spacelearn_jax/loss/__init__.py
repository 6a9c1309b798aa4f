"""The losses of the SPACE objective."""

from spacelearn_jax.loss._alignment import alignment_loss as alignment_loss
from spacelearn_jax.loss._combined import combined_loss as combined_loss
from spacelearn_jax.loss._disentanglement import disentanglement_loss as disentanglement_loss
from spacelearn_jax.loss._disentanglement import (
    disentanglement_loss_original as disentanglement_loss_original,
)
from spacelearn_jax.loss._isotropy import isotropy_loss as isotropy_loss
from spacelearn_jax.loss._stability import stability_loss as stability_loss

__all__ = [
    "alignment_loss",
    "combined_loss",
    "disentanglement_loss",
    "disentanglement_loss_original",
    "isotropy_loss",
    "stability_loss",
]

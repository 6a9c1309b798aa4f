"""The losses of the SPACE objective."""

from spacelearn_jax.loss._alignment import alignment_loss as alignment_loss
from spacelearn_jax.loss._balance import Balanced as Balanced
from spacelearn_jax.loss._balance import Balancer as Balancer
from spacelearn_jax.loss._balance import balance as balance
from spacelearn_jax.loss._balance import gradient_norm_balance as gradient_norm_balance
from spacelearn_jax.loss._balance import gradient_norms as gradient_norms
from spacelearn_jax.loss._balance import gradnorm as gradnorm
from spacelearn_jax.loss._balance import relobralo as relobralo
from spacelearn_jax.loss._balance import uncertainty as uncertainty
from spacelearn_jax.loss._combine import Objective as Objective
from spacelearn_jax.loss._combine import combine as combine
from spacelearn_jax.loss._combined import combined_loss as combined_loss
from spacelearn_jax.loss._disentanglement import disentanglement_loss as disentanglement_loss
from spacelearn_jax.loss._disentanglement import (
    disentanglement_loss_original as disentanglement_loss_original,
)
from spacelearn_jax.loss._isotropy import isotropy_loss as isotropy_loss
from spacelearn_jax.loss._stability import stability_loss as stability_loss

__all__ = [
    "Balanced",
    "Balancer",
    "Objective",
    "alignment_loss",
    "balance",
    "combine",
    "combined_loss",
    "disentanglement_loss",
    "disentanglement_loss_original",
    "gradient_norm_balance",
    "gradient_norms",
    "gradnorm",
    "isotropy_loss",
    "relobralo",
    "stability_loss",
    "uncertainty",
]

"""Weights that follow training: published ways to balance the terms of an objective."""

from spacelearn_jax.loss._balance._balanced import Balanced as Balanced
from spacelearn_jax.loss._balance._balanced import balance as balance
from spacelearn_jax.loss._balance._balancer import Balancer as Balancer
from spacelearn_jax.loss._balance._gradient_norm import (
    gradient_norm_balance as gradient_norm_balance,
)
from spacelearn_jax.loss._balance._gradient_norm import gradient_norms as gradient_norms
from spacelearn_jax.loss._balance._gradnorm import gradnorm as gradnorm
from spacelearn_jax.loss._balance._relobralo import relobralo as relobralo
from spacelearn_jax.loss._balance._uncertainty import uncertainty as uncertainty

__all__ = [
    "Balanced",
    "Balancer",
    "balance",
    "gradient_norm_balance",
    "gradient_norms",
    "gradnorm",
    "relobralo",
    "uncertainty",
]

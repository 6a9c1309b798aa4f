"""Second moments of latents and targets that can be merged, and what fits them."""

from spacelearn_jax._moments._batch import of_batch as of_batch
from spacelearn_jax._moments._fit import LEDOIT_WOLF as LEDOIT_WOLF
from spacelearn_jax._moments._fit import decoders as decoders
from spacelearn_jax._moments._fit import explained as explained
from spacelearn_jax._moments._fit import misfit as misfit
from spacelearn_jax._moments._fit import procrustes as procrustes
from spacelearn_jax._moments._merge import decayed as decayed
from spacelearn_jax._moments._merge import merge as merge
from spacelearn_jax._moments._merge import over_devices as over_devices
from spacelearn_jax._moments._merge import with_mean_along as with_mean_along
from spacelearn_jax._moments._plain import of_plain_batch as of_plain_batch
from spacelearn_jax._moments._products import PAIR_EPS as PAIR_EPS
from spacelearn_jax._moments._sums import Sums as Sums
from spacelearn_jax._moments._sums import zeros as zeros

__all__ = [
    "LEDOIT_WOLF",
    "PAIR_EPS",
    "Sums",
    "procrustes",
    "decayed",
    "decoders",
    "explained",
    "merge",
    "misfit",
    "of_batch",
    "of_plain_batch",
    "over_devices",
    "with_mean_along",
    "zeros",
]

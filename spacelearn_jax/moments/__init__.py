"""Statistics of more data than memory holds: add batches, merge parts, solve at the end."""

from spacelearn_jax.moments._class import Moments as Moments

__all__ = ["Moments"]

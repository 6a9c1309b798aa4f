"""The demonstration: what SPACE does to a network that sees a turbulent flow.

It needs the extra ``demo``. ``run`` is what the command ``spacelearn-jax demo`` calls. Its
folder holds the trained network and the subspaces of its latents, which go together::

    from spacelearn_jax.demo import load_network
    from spacelearn_jax.io import load_space

    network = load_network("spacelearn-demo/network.npz")
    space = load_space("spacelearn-demo/space.npz")
    read = space.decode(network.encode(fields))  # fields (B, 32, 32) of vorticity
"""

from spacelearn_jax.demo.cache import cache_folder as cache_folder
from spacelearn_jax.demo.config import Config as Config
from spacelearn_jax.demo.dataset import Dataset as Dataset
from spacelearn_jax.demo.dataset import simulated as simulated
from spacelearn_jax.demo.fields import Simulation as Simulation
from spacelearn_jax.demo.fields import simulate as simulate
from spacelearn_jax.demo.network import Autoencoder as Autoencoder
from spacelearn_jax.demo.quantities import flow_quantities as flow_quantities
from spacelearn_jax.demo.quantities import velocity as velocity
from spacelearn_jax.demo.results import Results as Results
from spacelearn_jax.demo.run import Event as Event
from spacelearn_jax.demo.run import InterruptedRun as InterruptedRun
from spacelearn_jax.demo.run import run as run
from spacelearn_jax.demo.userdata import load_data as load_data
from spacelearn_jax.demo.weights import Network as Network
from spacelearn_jax.demo.weights import load_network as load_network

__all__ = [
    "Autoencoder",
    "Config",
    "Dataset",
    "Event",
    "InterruptedRun",
    "Network",
    "Results",
    "Simulation",
    "cache_folder",
    "flow_quantities",
    "load_data",
    "load_network",
    "run",
    "simulate",
    "simulated",
    "velocity",
]

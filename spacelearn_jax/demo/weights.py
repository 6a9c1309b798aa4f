"""Trained networks on disk."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax._files import read_arrays, replacing
from spacelearn_jax.demo.network import Autoencoder

FORMAT = "spacelearn-jax demo network 1"


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained autoencoder with what its fields are normalized by.

    Args:
        model: The autoencoder.
        mean: Mean of the training fields.
        deviation: Their standard deviation.

    Example:
        >>> import jax.numpy as jnp
        >>> model = Autoencoder((16, 16), 12, width=4, rngs=nnx.Rngs(0))
        >>> network = Network(model, 0.0, 2.0)
        >>> Z = network.encode(jnp.ones((3, 16, 16)))
        >>> Z.shape, network.decode(Z).shape
        ((3, 12), (3, 16, 16))
    """

    model: Autoencoder
    mean: float
    deviation: float

    def encode(self, fields: ArrayLike) -> jax.Array:
        """Maps fields (B, H, W) of the grid that it was trained on to latents (B, D)."""
        x = jnp.asarray(fields)
        if x.ndim != 3 or x.shape[1:] != self.model.grid or not x.size:
            expected = f"of shape (B, H, W) with H, W = {self.model.grid}, as in training"
            fix = "Resample them to that grid, or make a batch of a single one with fields[None]."
            got = f"shape {x.shape}"
            raise _checks.failure(ValueError, "Network.encode", "fields", expected, got, fix)
        return self.model.encode((x - self.mean) / self.deviation)

    def decode(self, latents: ArrayLike) -> jax.Array:
        """Maps latents (B, D) to fields (B, H, W)."""
        z, D = jnp.asarray(latents), self.model.lift.in_features
        if z.ndim != 2 or z.shape[1] != D:
            expected, got = f"of shape (B, D) with D = {D}", f"shape {z.shape}"
            fix = "Pass what encode returns."
            raise _checks.failure(ValueError, "Network.decode", "latents", expected, got, fix)
        return self.model.decode(z) * self.deviation + self.mean


def save_network(path: str | os.PathLike[str], network: Network) -> None:
    """Saves a network as one ``.npz`` file, an array a weight.

    Args:
        path: File to write; missing folders are made.
        network: What to save.

    Raises:
        OSError: If the file can't be written.
    """
    model = network.model
    header = {
        "format": FORMAT,
        "grid": model.grid,
        "latent_dim": model.linear_head.out_features,
        "width": model.width,
        "mean": network.mean,
        "deviation": network.deviation,
    }
    weights: dict[str, Any] = _named(nnx.split(model)[1])
    with replacing(Path(path)) as file:
        np.savez(file, header=np.array(json.dumps(header)), **weights)


def load_network(path: str | os.PathLike[str]) -> Network:
    """Loads a network that a run of the demonstration saved.

    Args:
        path: The file, ``network.npz`` in the folder of the results.

    Returns:
        The network. Beside it lies ``space.npz``, which reads its latents:
        ``load_space(...).decode(network.encode(fields))``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or no saved network.

    Example:
        >>> import pathlib, tempfile
        >>> import jax.numpy as jnp
        >>> saved = Network(Autoencoder((16, 16), 12, width=4, rngs=nnx.Rngs(0)), 0.0, 2.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "network.npz")
        ...     save_network(path, saved)
        ...     loaded = load_network(path)
        >>> x = jnp.ones((1, 16, 16))
        >>> bool((loaded.encode(x) == saved.encode(x)).all())
        True
    """
    source = Path(path)
    if not source.is_file():
        message = f"load_network: there is no file {source}. spacelearn-jax demo writes one."
        raise FileNotFoundError(message)
    try:
        arrays = read_arrays(source)
        header = json.loads(str(arrays["header"]))
        if header["format"] != FORMAT:
            raise KeyError(header["format"])
        grid, latent_dim, width = tuple(header["grid"]), header["latent_dim"], header["width"]
        like = nnx.eval_shape(lambda: Autoencoder(grid, latent_dim, width=width, rngs=nnx.Rngs(0)))
        graph, structure = nnx.split(like)
        weights = {name: arrays[name] for name in _named(structure)}
        params = jax.tree.map(
            lambda name, w: jnp.asarray(weights[name], w.dtype).reshape(w.shape),
            _names(structure),
            structure,
        )
        return Network(nnx.merge(graph, params), header["mean"], header["deviation"])
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"load_network: {source} is damaged or no saved network ({error}). "
            "Run spacelearn-jax demo again."
        )
        raise ValueError(message) from error


def _names(params: Any) -> Any:
    """Names every leaf by its place in the network, as ``stem.linear.kernel``."""
    return jax.tree.map_with_path(
        lambda path, _: ".".join(str(key.key) for key in path if hasattr(key, "key")), params
    )


def _named(params: Any) -> dict[str, Any]:
    return dict(zip(jax.tree.leaves(_names(params)), jax.tree.leaves(params), strict=True))

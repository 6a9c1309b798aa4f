"""Networks on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from spacelearn_jax.demo.network import Autoencoder
from spacelearn_jax.demo.weights import Network, load_network, save_network


@pytest.fixture
def network():
    return Network(Autoencoder((16, 24), 10, width=3, rngs=nnx.Rngs(0)), 0.5, 2.0)


def test_a_loaded_network_is_the_saved_one(tmp_path, network):
    save_network(tmp_path / "new" / "network.npz", network)
    loaded = load_network(tmp_path / "new" / "network.npz")
    assert (loaded.mean, loaded.deviation) == (0.5, 2.0)
    pair = (jax.tree.leaves(nnx.split(n.model)[1]) for n in (loaded, network))
    for a, b in zip(*pair, strict=True):
        np.testing.assert_array_equal(a, b)
    x = jax.random.normal(jax.random.key(0), (2, 16, 24))
    np.testing.assert_array_equal(loaded.encode(x), network.encode(x))


def test_fields_are_normalized_and_back(network):
    x = jax.random.normal(jax.random.key(0), (2, 16, 24))
    Z = network.encode(x)
    np.testing.assert_allclose(Z, network.model.encode((x - 0.5) / 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.decode(Z), 2 * network.model.decode(Z) + 0.5, rtol=1e-5)


def rewrite(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.write_bytes(p.read_bytes()[:300]),
        lambda p: np.savez(p, other=np.zeros(3)),
        lambda p: rewrite(p, lambda a: a.pop("lift.kernel")),
        lambda p: rewrite(p, lambda a: a.update({"lift.kernel": np.zeros(3)})),
        lambda p: rewrite(p, lambda a: a.update(header=np.array('{"format": "other"}'))),
    ],
)
def test_spoilt_files_are_refused(tmp_path, network, spoil):
    path = tmp_path / "network.npz"
    save_network(path, network)
    spoil(path)
    with pytest.raises(ValueError, match="damaged or no saved network"):
        load_network(path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="spacelearn-jax demo writes one"):
        load_network(tmp_path / "none.npz")


def test_lists_are_fields_too(network):
    assert network.encode(np.zeros((1, 16, 24), np.float32)).dtype == jnp.float32


@pytest.mark.parametrize("shape", [(2, 32, 32), (16, 24), (2, 16, 24, 1)])
def test_fields_of_another_grid_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"fields must be of shape .* \(16, 24\), as in training"):
        network.encode(np.ones(shape))


@pytest.mark.parametrize("shape", [(2, 11), (10,)])
def test_latents_of_another_width_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"latents must be of shape \(B, D\) with D = 10"):
        network.decode(np.ones(shape))

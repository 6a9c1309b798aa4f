"""A data loader's batches are a stream."""

import grain
import numpy as np

from spacelearn_jax import fit_stream, solve_subspaces

from .batches import rows

K = {"p": 2, "s": 1}


class Rows:
    """What Grain reads at random: one row at a time."""

    def __init__(self, Z, Y):
        self.Z, self.Y = Z, Y

    def __len__(self):
        return len(self.Z)

    def __getitem__(self, i):
        return self.Z[i], {q: y[i] for q, y in self.Y.items()}


def test_a_shuffled_grain_loader_gives_the_whole():
    batch = rows(0, 200, "float32")
    loader = grain.MapDataset.source(Rows(*batch)).shuffle(seed=1).batch(48).to_iter_dataset()
    got, expected = fit_stream(loader, k=K), solve_subspaces(*batch, k=K)
    for q, W in expected.W.items():
        np.testing.assert_allclose(got.W[q].T @ got.W[q], W.T @ W, atol=1e-5)
    decoded = got.decode(batch[0])
    for q, y in expected.decode(batch[0]).items():
        np.testing.assert_allclose(decoded[q], y, atol=1e-4)

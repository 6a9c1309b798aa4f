"""How well quantities can be read from a latent space, and from where in it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from spacelearn_jax import Space, loss, solve_subspaces
from spacelearn_jax.demo.batches import Arrays, Scales
from spacelearn_jax.demo.dataset import Sizes, pooled
from spacelearn_jax.demo.train import Programs

RIDGES = (1e-7, 1e-5, 1e-3, 1e-1)
"""Ridge penalties that a probe chooses from, in units of the mean latent variance."""


class Evaluation(NamedTuple):
    """A trained network on held-out samples.

    Attributes:
        r2: ``{quantity: R^2}``, each read from its own subspace by ``Space.decode``.
        ceiling: ``{quantity: R^2}`` of a linear probe on the whole latent.
        leakage: R^2 (quantities, quantities) of the column's quantity read from the
            row's subspace, by a decoder fitted for that pair.
        reconstruction: Relative error of the fields in the L2 norm.
        disentanglement: Disentanglement loss.
        isotropy: Isotropy loss.
        space: Subspaces and decoders, in the units of the targets.
        decoded: Targets of the first held-out samples, as decoded.
        truth: The same, pooled truth.
    """

    r2: dict[str, float]
    ceiling: dict[str, float]
    leakage: np.ndarray
    reconstruction: float
    disentanglement: float
    isotropy: float
    space: Space
    decoded: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]

    def summary(self) -> dict[str, Any]:
        """Numbers alone, as JSON takes them."""
        mean, ceiling = (float(np.mean(list(r.values()))) for r in (self.r2, self.ceiling))
        return {
            "r2": self.r2,
            "ceiling": self.ceiling,
            "mean_r2": mean,
            "mean_ceiling": ceiling,
            "leakage": [[float(x) for x in row] for row in self.leakage],
            "relative_reconstruction_error": self.reconstruction,
            "disentanglement": self.disentanglement,
            "isotropy": self.isotropy,
        }


def r_squared(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Fraction of the variance that a prediction explains, over samples and entries.

    ``1 - sum (y - f)^2 / sum (y - mean(y))^2``, the mean over samples, entry by entry.
    Entries count by their variance.

    Args:
        truth: y (N, ...).
        prediction: f, same shape.

    Returns:
        At most 1; 0 for predicting the mean. NaN for a constant truth.

    Example:
        >>> import numpy as np
        >>> y = np.array([1.0, 2.0, 3.0])
        >>> r_squared(y, y), r_squared(y, np.full(3, 2.0))
        (1.0, 0.0)
    """
    y, f = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (truth, prediction))
    spread = np.sum((y - y.mean(0)) ** 2)
    return float(1 - np.sum((y - f) ** 2) / spread) if spread > 0 else float("nan")


def linear_probe(
    Z: np.ndarray, y: np.ndarray, Z_test: np.ndarray, *, ridges: tuple[float, ...] = RIDGES
) -> np.ndarray:
    """Predicts by ridge regression with an intercept.

    The penalty is the one that predicts the last fifth of the rows best from the
    others; the regression is then fitted on all of them.

    Args:
        Z: Latents (N, D) to fit on.
        y: Targets (N, ...).
        Z_test: Latents (M, D) to predict from.
        ridges: Penalties to choose from, in units of the mean variance of a latent.

    Returns:
        Predictions (M, ...), float64.

    Example:
        >>> import numpy as np
        >>> Z = np.random.default_rng(0).normal(size=(50, 3))
        >>> f = linear_probe(Z[:40], Z[:40] @ [1.0, 2.0, 3.0] + 4.0, Z[40:])
        >>> bool(np.allclose(f, Z[40:] @ [1.0, 2.0, 3.0] + 4.0, atol=1e-4))
        True
    """
    Z, Z_test = np.asarray(Z, np.float64), np.asarray(Z_test, np.float64)
    flat = np.asarray(y, np.float64).reshape(len(y), -1)

    def fit(rows: slice, penalty: float, at: np.ndarray) -> np.ndarray:
        z_mean, y_mean = Z[rows].mean(0), flat[rows].mean(0)
        Zc, yc = Z[rows] - z_mean, flat[rows] - y_mean
        gram = Zc.T @ Zc
        ridge = penalty * max(np.trace(gram) / len(gram), np.finfo(np.float64).tiny)
        coefficients = np.linalg.solve(gram + ridge * np.eye(len(gram)), Zc.T @ yc)
        return (at - z_mean) @ coefficients + y_mean

    best = ridges[0]
    if len(ridges) > 1:
        cut = len(Z) - max(1, len(Z) // 5)
        errors = [np.sum((fit(slice(cut), p, Z[cut:]) - flat[cut:]) ** 2) for p in ridges]
        best = ridges[int(np.argmin(errors))]
    return fit(slice(None), best, Z_test).reshape(len(Z_test), *np.shape(y)[1:])


def leakage_matrix(
    coordinates: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    coordinates_test: Mapping[str, np.ndarray],
    targets_test: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Reads every quantity from every subspace.

    Args:
        coordinates: ``{quantity: (N, k_q)}``, latents in each subspace, to fit on.
        targets: ``{quantity: (N, ...)}``.
        coordinates_test: ``{quantity: (M, k_q)}``, to test on.
        targets_test: ``{quantity: (M, ...)}``.

    Returns:
        R^2 (Q, Q) of the column's quantity, linearly from the row's subspace; names in
        sorted order. The diagonal is what belongs there, the rest is leakage.

    Example:
        >>> import numpy as np
        >>> a, b = np.random.default_rng(0).normal(size=(2, 400, 1))
        >>> S = {"a": a, "b": b}
        >>> print((leakage_matrix(S, S, S, S) > 0.5).astype(int))
        [[1 0]
         [0 1]]
    """
    names = sorted(coordinates)
    matrix = np.zeros((len(names), len(names)))
    for i, home in enumerate(names):
        for j, q in enumerate(names):
            read = linear_probe(
                coordinates[home], targets[q], coordinates_test[home], ridges=(1e-7,)
            )
            matrix[i, j] = r_squared(targets_test[q], read)
    return matrix


def evaluate(
    programs: Programs,
    params: Any,
    sizes: Sizes,
    scales: Scales,
    fit: Arrays,
    test: Arrays,
    *,
    space: Space | None = None,
    show: int = 64,
) -> Evaluation:
    """Measures a trained network on held-out samples.

    Subspaces, decoders and probes come from training samples alone.

    Args:
        programs: Compiled functions of the network.
        params: Its weights.
        sizes: Bins and subspace dimensions.
        scales: What its inputs are normalized by.
        fit: Fields and targets of training samples.
        test: Fields and targets of held-out samples.
        space: Subspaces that the network was trained with, in the units of the targets;
            by default they are solved on ``fit``.
        show: Held-out samples whose targets are kept.

    Returns:
        The evaluation, in the units of the targets.
    """
    # In one call, as another number of samples would be another compilation.
    everything = programs.encode(params, jnp.concatenate([fit[0], test[0]]), scales)
    Z, Z_test = jnp.split(everything, [fit[0].shape[0]])
    Y, Y_test = (pooled(targets, sizes.bins) for _, targets in (fit, test))
    space = solve_subspaces(Z, Y, k=sizes.k) if space is None else space
    truth, decoded = jax.device_get((Y_test, space.decode(Z_test)))
    targets = jax.device_get(Y)
    S, S_test = jax.device_get((space.coordinates(Z), space.coordinates(Z_test)))
    latents, latents_test = jax.device_get((Z, Z_test))
    probes = {q: linear_probe(latents, targets[q], latents_test) for q in space}
    error = programs.decode(params, Z_test, scales) - test[0]
    return Evaluation(
        r2={q: r_squared(truth[q], decoded[q]) for q in space},
        ceiling={q: r_squared(truth[q], probes[q]) for q in space},
        leakage=leakage_matrix(S, targets, S_test, truth),
        reconstruction=float(jnp.linalg.norm(error) / jnp.linalg.norm(test[0] - scales.field[0])),
        disentanglement=float(loss.disentanglement_loss(Z_test, space.W)),
        isotropy=float(loss.isotropy_loss(Z_test, space.W)),
        space=space,
        decoded={q: y[:show] for q, y in decoded.items()},
        truth={q: y[:show] for q, y in truth.items()},
    )

"""Rows to make moments of."""

import jax
import numpy as np

D = 5
WIDTHS = {"p": (2, 2), "s": ()}


def rows(seed, B=40, dtype="float64", offset=0.0):
    """Returns latents of different scales, and targets that depend on them."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(B, D)) * np.linspace(2, 0.5, D) + np.linspace(-1, 3, D)
    M = np.random.default_rng(99).normal(size=(D, 4)) * [3.0, 1.0, 0.5, 0.2]
    Y = {
        "p": (Z @ M + 0.1 * rng.normal(size=(B, 4))).reshape(B, 2, 2),
        "s": Z[:, 1] - Z[:, 4] + 5 + 0.1 * rng.normal(size=B),
    }
    return (Z + offset).astype(dtype), {q: (y + offset).astype(dtype) for q, y in Y.items()}


def part(batch, index):
    """Returns some of the rows."""
    return jax.tree.map(lambda x: x[index], batch)


def two_pass(Z, Y, w=None):
    """Returns the numbers that moments hold by their definition, in float64."""
    Z = np.asarray(Z, np.float64)
    w = np.ones(len(Z)) if w is None else np.asarray(w, np.float64)
    z_mean = w @ Z / w.sum()
    Zc = Z - z_mean
    square = (Zc**2).sum(1)
    found = {
        "count": w.sum(),
        "z_mean": z_mean,
        "Szz": (Zc * w[:, None]).T @ Zc,
        "third": (w * square) @ Zc,
        "fourth": w @ square**2,
    }
    for q, y in Y.items():
        y = np.asarray(y, np.float64).reshape(len(Z), -1)
        yc = y - w @ y / w.sum()
        found[f"y_mean {q}"] = w @ y / w.sum()
        found[f"Szy {q}"] = (Zc * w[:, None]).T @ yc
        found[f"Syy {q}"] = (yc * w[:, None]).T @ yc
    return found


def held(m):
    """Returns the same numbers out of moments, pairs added up in float64."""
    sums = jax.tree.map(lambda x: np.asarray(x, np.float64), m.sums._replace(low=None))
    if m.sums.low is not None:
        sums = jax.tree.map(lambda x, y: x + np.asarray(y, np.float64), sums, m.sums.low)
    found = {
        "count": sums.n[""],
        "z_mean": sums.z_mean[""],
        "Szz": sums.Szz[""],
        "third": sums.third[""],
        "fourth": sums.fourth[""],
    }
    for q in sums.Szy:
        found |= {f"{name} {q}": getattr(sums, name)[q] for name in ("y_mean", "Szy", "Syy")}
    return found


def assert_holds(m, expected, tol):
    """Requires the same numbers, each relative to the largest of its kind."""
    got = held(m)
    assert set(got) == set(expected)
    for name, value in expected.items():
        scale = np.abs(value).max()
        if name == "third":  # it may vanish, and is at most this
            scale = np.sqrt(expected["fourth"] * np.trace(expected["Szz"]))
        if name.startswith("Szy"):
            scale = np.sqrt(np.trace(expected["Szz"]) * np.trace(expected[f"Syy{name[3:]}"]))
        np.testing.assert_allclose(got[name], value, rtol=0, atol=tol * scale, err_msg=name)

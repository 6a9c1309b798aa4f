"""The losses as plain NumPy formulas, loops and all."""

import itertools
from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)


def flat(y: np.ndarray) -> np.ndarray:
    return centred(y.reshape(len(y), -1))


def alignment(Z: np.ndarray, W: Arrays, A: Arrays, Y: Arrays) -> float:
    errors = []
    for q, w in W.items():
        yc = flat(Y[q])
        prediction = centred(Z) @ w.T @ A[q].reshape(len(w), -1)
        errors.append(np.mean((prediction - yc) ** 2))
    return float(np.mean(errors))


def _coordinates(Z: np.ndarray, W: Arrays) -> dict[str, np.ndarray]:
    return {q: centred(Z) @ W[q].T for q in sorted(W)}


def disentanglement(Z: np.ndarray, W: Arrays, pair_norm: str = "first") -> float:
    S = {q: centred(s) / (s.std(axis=0, ddof=1) + 1e-8) for q, s in _coordinates(Z, W).items()}
    pairs = []
    for i, j in itertools.combinations(sorted(W), 2):
        C = S[i].T @ S[j] / len(Z)
        k = len(W[i]) if pair_norm == "first" else min(len(W[i]), len(W[j]))
        pairs.append(np.sum(C**2) / k)
    return float(np.mean(pairs))


def disentanglement_original(Z: np.ndarray, W: Arrays) -> float:
    S = {q: s / (s.std(axis=0, ddof=1) + 1e-8) for q, s in _coordinates(Z, W).items()}
    pairs = [np.mean((S[i].T @ S[j] / len(Z)) ** 2) for i, j in itertools.combinations(S, 2)]
    return float(np.mean(pairs))


def isotropy(Z: np.ndarray, W: Arrays, n_dir: int) -> float:
    Zc, W_all = centred(Z), np.concatenate([W[q] for q in sorted(W)])
    s = np.linalg.svd(Zc - Zc @ W_all.T @ W_all, compute_uv=False)[:n_dir]
    return float(np.mean((s / (s.mean() + 1e-8) - 1) ** 2))


def stability(W: Arrays, W_prev: Arrays, metric: str = "basis") -> float:
    changes = []
    for q, w in W.items():
        if metric == "basis":
            changes.append(np.sum((w - W_prev[q]) ** 2))
        else:
            changes.append(0.5 * np.sum((w.T @ w - W_prev[q].T @ W_prev[q]) ** 2))
    return float(np.mean(changes))

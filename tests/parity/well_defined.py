"""What of a result is defined at all: the rest can't be compared with a reference.

Each function takes the inputs and the outputs of a case and returns the outputs to
compare. The same code sees the original's outputs and the port's.
"""

from typing import Any

import numpy as np

Inputs = dict[str, Any]
Outputs = dict[str, np.ndarray]


def _row_space(inputs: Inputs) -> np.ndarray:
    """Left singular vectors of the residual that isotropy factorizes, without its null ones."""
    Z = inputs["Z"].astype(np.float64)
    W = np.concatenate([w.astype(np.float64) for w in inputs["W"].values()])
    Zc = Z - Z.mean(0)
    U, s, _ = np.linalg.svd(Zc - Zc @ W.T @ W, full_matrices=False)
    eps = np.finfo(inputs["Z"].dtype).eps
    return U[:, s > s[0] * 100 * eps]


def isotropy_gradient(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Keeps the gradient on the column space of the residual.

    A vanishing singular value has the derivative u v^T with u and v of LAPACK's choice
    in the null spaces: any of them is a subgradient, none of them is a reference. As
    every such u is orthogonal to the column space, projecting on it takes exactly
    the arbitrary part away. That the rest is finite is tested apart.
    """
    U = _row_space(inputs)
    # U alone has signs of NumPy's choice, which are not the same on every processor.
    return outputs | {"grad_Z": U @ (U.T @ outputs["grad_Z"].astype(np.float64))}


def value_only(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Drops gradients that are arbitrary as a whole, or NaN in the original."""
    del inputs
    return {name: x for name, x in outputs.items() if not name.startswith("grad")}


def without(inputs: Inputs, outputs: Outputs, *, names: tuple[str, ...]) -> Outputs:
    """Drops some outputs."""
    del inputs
    return {name: x for name, x in outputs.items() if name not in names}


def joint_sign(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Replaces a pair of directions, defined up to a joint sign, by its outer product."""
    del inputs
    names = sorted({name.split(".", 1)[1] for name in outputs})
    return {f"wv.{q}": np.outer(outputs[f"w.{q}"], outputs[f"v.{q}"]) for q in names}


def free_sign(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Replaces target directions by projectors; W and A keep their signs."""
    del inputs
    return {n: np.outer(x, x) if n.startswith("V.") else x for n, x in outputs.items()}


def leading_rows(inputs: Inputs, outputs: Outputs, *, rank: int) -> Outputs:
    """Keeps the rows of each basis that the data determine.

    Beyond the rank of the cross-covariance the rows are any orthonormal completion;
    their number and their orthonormality are still part of the result.
    """
    del inputs
    kept = {}
    for name, W in outputs.items():
        kept[f"leading.{name}"] = W[:rank]
        kept[f"gram.{name}"] = W @ W.T
    return kept


def row_signs(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Gives every row of every basis a positive largest entry."""
    del inputs
    return {name: _fixed(W) for name, W in outputs.items()}


def fixed_signs(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Gives every singular vector a positive largest entry; vectors are rows of ``Vt``."""
    fixed = dict(outputs)
    if "U" in outputs and "Vt" in outputs:
        fixed["product"] = outputs["U"] * outputs["s"] @ outputs["Vt"]
    if "U" in outputs:
        fixed["U"] = _fixed(outputs["U"].T).T
    if "Vt" in outputs:
        fixed["Vt"] = _fixed(outputs["Vt"])
    del inputs
    return fixed


def _fixed(rows: np.ndarray) -> np.ndarray:
    largest = np.take_along_axis(rows, np.abs(rows).argmax(1, keepdims=True), 1)
    return rows * np.where(largest < 0, -1, 1).astype(rows.dtype)

"""Makes the stored reference numbers, by running spacelearn 0.1.0.

``python -m tests.parity.generate``, from the root of the repository, with the extra
``parity`` installed, writes ``reference.npz`` (outputs alone, keyed
``function/variant|dtype|output``) and ``reference.json`` (versions, seeds, checksums of
the inputs) beside this file. ``test_live.py`` shows that both are what it makes.
"""

import contextlib
import io
import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacelearn import (
    combined_loss,
    data,
    loss,
    optim,
    principal_directions,
    settings,
    solve_dims,
    solve_subspaces,
    subspaces,
    util,
)
from spacelearn.data._compute_Q import compute_Q
from spacelearn.loss._disentanglement_loss import disentanglement_loss_original

from .cases import CASES, Case, checksum, leaves
from .well_defined import Inputs, Outputs

HERE = Path(__file__).parent
NUMBERS = HERE / "reference.npz"
RECORD = HERE / "reference.json"

torch.set_num_threads(1)


def tensors(tree: Any, *, grad: bool = False) -> Any:
    """Turns the arrays of nested mappings into tensors."""
    if isinstance(tree, Mapping):
        return {name: tensors(value, grad=grad) for name, value in tree.items()}
    if isinstance(tree, np.ndarray):
        tensor = torch.from_numpy(tree.copy())
        return tensor.requires_grad_() if grad else tensor
    return tree


def arrays(tree: Any) -> Any:
    """Turns tensors back into arrays."""
    if isinstance(tree, Mapping):
        return {name: arrays(value) for name, value in tree.items()}
    return tree.detach().numpy() if isinstance(tree, torch.Tensor) else np.asarray(tree)


@contextlib.contextmanager
def original(solver: str = "svd") -> Any:
    """Runs the original in one solver mode and without its prints.

    Its default mode turns to a random low-rank factorization for large matrices.
    """
    before = settings.config.solver_mode
    settings.config.solver_mode = solver
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        settings.config.solver_mode = before


def _of_latents(function: Callable[..., torch.Tensor], *names: str) -> Callable[..., dict]:
    """Value of a loss, and its gradient with respect to Z."""

    def run(inputs: Inputs, **options: Any) -> dict:
        Z = tensors(inputs["Z"], grad=True)
        value = function(Z, *(tensors(inputs[name]) for name in names), **options)
        if not value.requires_grad:
            return {"value": value, "grad_Z": torch.zeros_like(Z)}
        value.backward()
        return {"value": value, "grad_Z": Z.grad}

    return run


def _stability(inputs: Inputs) -> dict:
    W = tensors(inputs["W"], grad=True)
    value = loss.stability_loss(W, tensors(inputs["W_prev"]))
    if value.requires_grad:
        value.backward()
    return {
        "value": value,
        "grad_W": {n: torch.zeros_like(w) if w.grad is None else w.grad for n, w in W.items()},
    }


def _columns(Y: Mapping[str, np.ndarray]) -> dict:
    """Gives 1-D targets a second axis: the original's solves fail without one."""
    return tensors({n: y[:, None] if y.ndim == 1 else y for n, y in Y.items()})


def _principal_directions(inputs: Inputs) -> dict:
    found = principal_directions(tensors(inputs["Z"]), _columns(inputs["Y"]))
    return {"w": {n: w for n, (w, _) in found.items()}, "v": {n: v for n, (_, v) in found.items()}}


def _subspaces(inputs: Inputs, k: Any) -> dict:
    return subspaces(tensors(inputs["Z"]), _columns(inputs["Y"]), k)


def _solve_subspaces(inputs: Inputs, k: Any) -> dict:
    space = solve_subspaces(tensors(inputs["Z"]), _columns(inputs["Y"]), k=k)
    A = {n: a[:, 0] if inputs["Y"][n].ndim == 1 else a for n, a in space.A.items()}
    return {"W": space.W, "A": A, "V": space.V}


def _fit_decoders(inputs: Inputs) -> dict:
    return optim.fit_decoders(*(tensors(inputs[name]) for name in ("W", "Z", "Y")))


def _subspace_change(inputs: Inputs) -> dict:
    return optim.subspace_change(tensors(inputs["W_old"]), tensors(inputs["W_new"]))


def _optimal_bins(inputs: Inputs, **options: Any) -> dict:
    return {"n": optim.optimal_bins(tensors(inputs["Y"]), **options)}


def _k_per_q(inputs: Inputs, **options: Any) -> dict:
    return {"k": optim.k_per_q(tensors(inputs["Y"]), **options)}


def _solve_dims(inputs: Inputs, **options: Any) -> dict:
    return {"nk": solve_dims(tensors(inputs["Y"]), **options)}


def _minimal_latent_dim(inputs: Inputs) -> dict:
    return {"d": [optim.minimal_latent_dim(**call) for call in inputs["calls"]]}


def weights(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Fixed weights whose inner product with an output is differentiated."""
    return np.cos(np.arange(np.prod(shape))).reshape(shape).astype(dtype)


def _pool(inputs: Inputs, **options: Any) -> dict:
    x = tensors(inputs["x"], grad=True)
    out = data.pool(x, **options)
    (out * torch.from_numpy(weights(tuple(out.shape), inputs["x"].dtype))).sum().backward()
    return {"value": out, "grad_x": x.grad}


def _compute_q(inputs: Inputs, positional: tuple, named: Mapping) -> dict:
    return compute_Q(*positional, **named)(**tensors(inputs))


def _input_to_quantity(
    inputs: Inputs, n_bins: int, mode: str, positional: tuple, named: Mapping
) -> dict:
    return data.input_to_quantity(n_bins, mode, *positional, **named)(**tensors(inputs))


def _as_given(u: Any, scale: Any) -> dict:
    return {"u": u, "scale": scale}


def _ensure_dim(inputs: Inputs, **options: Any) -> dict:
    return data.ensure_dim(_as_given, **options)(**tensors(inputs))


def _to_device(inputs: Inputs, **options: Any) -> dict:
    return data.to_device(_as_given, device="cpu", **options)(**tensors(inputs))


def _left(inputs: Inputs) -> dict:
    U, s = util.left(tensors(inputs["A"]))
    return {"U": U, "s": s}


def _right(inputs: Inputs) -> dict:
    Vt, s = util.right(tensors(inputs["A"]))
    return {"Vt": Vt, "s": s}


def _full(inputs: Inputs) -> dict:
    U, s, Vt = util.full(tensors(inputs["A"]))
    return {"U": U, "s": s, "Vt": Vt}


def _singular_values(inputs: Inputs) -> dict:
    A = tensors(inputs["A"], grad=True)
    s = util.singular_values(A)
    (s * torch.from_numpy(weights(tuple(s.shape), inputs["A"].dtype))).sum().backward()
    return {"s": s, "grad_A": A.grad}


RUNS: dict[str, Callable[..., dict]] = {
    "alignment": _of_latents(loss.alignment_loss, "W", "A", "Y"),
    "disentanglement": _of_latents(loss.disentanglement_loss, "W"),
    "disentanglement_original": _of_latents(disentanglement_loss_original, "W"),
    "isotropy": _of_latents(loss.isotropy_loss, "W"),
    "stability": _stability,
    "combined": _of_latents(combined_loss, "W", "A", "Y", "W_prev"),
    "principal_directions": _principal_directions,
    "subspaces": _subspaces,
    "solve_subspaces": _solve_subspaces,
    "fit_decoders": _fit_decoders,
    "subspace_change": _subspace_change,
    "optimal_bins": _optimal_bins,
    "k_per_q": _k_per_q,
    "solve_dims": _solve_dims,
    "minimal_latent_dim": _minimal_latent_dim,
    "pool": _pool,
    "compute_Q": _compute_q,
    "input_to_quantity": _input_to_quantity,
    "ensure_dim": _ensure_dim,
    "to_device": _to_device,
    "left": _left,
    "right": _right,
    "full": _full,
    "singular_values": _singular_values,
}


def run(case: Case, dtype: str) -> Outputs:
    """Runs the original on a case and keeps what is well defined."""
    inputs = case.inputs(dtype)
    options = dict(case.options)
    with original(options.pop("solver", "svd")):
        outputs = leaves(arrays(RUNS[case.function](inputs, **options)))
    return case.finished(inputs, outputs)


def make_numbers() -> Outputs:
    """Runs the original on every case."""
    return {
        f"{case.name}|{dtype}|{output}": x
        for case in CASES.values()
        for dtype in case.dtypes
        for output, x in run(case, dtype).items()
    }


def make_record() -> dict[str, Any]:
    """Says what made the numbers, and from what."""
    return {
        "made_by": "python -m tests.parity.generate",
        "versions": {name: version(name) for name in ("spacelearn", "torch", "numpy")}
        | {"python": platform.python_version()},
        "cases": {
            case.name: {"seed": case.seed, "dtypes": case.dtypes, "inputs": checksum(case)}
            for case in CASES.values()
        },
    }


def main() -> None:
    """Writes the reference files."""
    np.savez_compressed(NUMBERS, **make_numbers())
    record = make_record()
    # One case a line: a changed case is a changed line.
    lines = [f"  {json.dumps(n)}: {json.dumps(case)}" for n, case in record["cases"].items()]
    rest = json.dumps(record | {"cases": {}}, indent=1)
    RECORD.write_text(rest.replace("{}", "{\n" + ",\n".join(lines) + "\n }") + "\n")


if __name__ == "__main__":
    main()

"""spacelearn 0.1.0 in PyTorch, where it is installed (the extra ``parity``).

It runs where ours does: on the CPU, or where JAX finds a GPU, on that by CUDA.
"""

import contextlib
import functools
import io
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from benchmarks import _record
from benchmarks._timing import Call, reason, seconds

try:
    import spacelearn
    import spacelearn.loss
    import torch
    from spacelearn.settings import config
except ImportError as error:
    MISSING: str | None = reason(error)
else:
    MISSING = None

# Names as recorded. The default mode truncates matrices of more than 100,000 entries to
# six approximate singular vectors, whatever was asked for.
EXACT, DEFAULT, COMPILED = "spacelearn, exact", "spacelearn, default", "spacelearn, torch.compile"
_MODES = {EXACT: "svd", DEFAULT: "auto"}


def prepare() -> bool:
    """Gives torch as many threads as XLA has; tells whether there is a peer at all."""
    if MISSING:
        print(f"no spacelearn to compare with ({MISSING}): ours alone")
        return False
    torch.set_num_threads(_record.cores())
    if _device() == "cuda" and not torch.cuda.is_available():
        print("no GPU for torch: ours alone")
        return False
    return True


def _device() -> str:
    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def _finish() -> None:
    """Waits for what was started: calls on a GPU return before it is done."""
    if _device() == "cuda":
        torch.cuda.synchronize()


def contention() -> float | None:
    """Returns how much longer a small product takes with all threads than with one.

    Threads of torch wait for one another. Where other processes hold the cores, every
    product then costs a slice of the scheduler's time, some milliseconds, and torch looks a
    hundred times slower than it is. About 1 or less on a machine that is not shared; where it
    is, ``taskset -c 0`` gives XLA and torch one thread each, which wait for nobody. None on
    a GPU, where torch's threads do nothing.
    """
    if MISSING or _device() == "cuda":
        return None
    A = torch.ones(128, 128)
    median = {}
    for threads in (1, _record.cores()):
        torch.set_num_threads(threads)
        times = [seconds(lambda: A @ A) for _ in range(30)]
        median[threads] = float(np.median(times))
    return median[_record.cores()] / median[1]


def tensors(tree: Any, dtype: str) -> Any:
    """Converts arrays in dictionaries to torch, on the device of JAX."""
    if isinstance(tree, dict):
        return {name: tensors(x, dtype) for name, x in tree.items()}
    return torch.tensor(np.asarray(tree), dtype=getattr(torch, dtype), device=_device())


def _losses() -> dict[str, Callable[..., Any]]:
    """Returns the original's losses, all of the same arguments."""
    loss = spacelearn.loss
    return {
        "combined": lambda Z, W, A, Y, P: spacelearn.combined_loss(Z, W, A, Y, P),
        "alignment": lambda Z, W, A, Y, P: loss.alignment_loss(Z, W, A, Y),
        "disentanglement": lambda Z, W, A, Y, P: loss.disentanglement_loss(Z, W),
        "isotropy": lambda Z, W, A, Y, P: loss.isotropy_loss(Z, W),
    }


def _gradient(loss: Callable[..., Any], mode: str, Z: Any, rest: tuple[Any, ...]) -> Call:
    leaf = Z.requires_grad_()

    def call() -> None:
        config.solver_mode = mode
        leaf.grad = None
        loss(leaf, *rest).backward()
        _finish()

    return call


def gradients(name: str, dtype: str, Z: np.ndarray, *rest: Any) -> dict[str, Call]:
    """Returns value and gradient of one loss, eager, by name of the peer."""
    loss, given = _losses()[name], tuple(tensors(x, dtype) for x in rest)
    return {p: _gradient(loss, mode, tensors(Z, dtype), given) for p, mode in _MODES.items()}


def compiled_gradient(name: str, dtype: str, limit: int, Z: np.ndarray, *rest: Any) -> Call:
    """Compiles value and gradient of one loss in the exact mode, in ``limit`` seconds.

    Raises:
        Exception: Whatever keeps it from compiling; ``TimeoutError`` if it takes longer.
    """
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        message = "torch.compile needs a C++ compiler"
        raise FileNotFoundError(message)
    torch.compiler.reset()
    loss = torch.compile(_losses()[name], dynamic=False)
    call = _gradient(loss, "svd", tensors(Z, dtype), tuple(tensors(x, dtype) for x in rest))
    with _time_limit(limit):
        call()
    return call


@contextlib.contextmanager
def _time_limit(limit: int) -> Iterator[None]:
    """Raises after some seconds: a loop over all pairs unrolls to very large graphs."""

    def stop(*_: Any) -> None:
        message = f"no result after {limit} s of compilation"
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def solves(name: str, dtype: str, Z: np.ndarray, Y: Any, k: dict[str, int]) -> dict[str, Call]:
    """Returns ``solve_subspaces`` or ``subspaces``, eager, by name of the peer."""
    solve = {"solve_subspaces": spacelearn.solve_subspaces, "subspaces": spacelearn.subspaces}[name]
    z, y = tensors(Z, dtype), tensors(Y, dtype)

    def call(mode: str) -> None:
        config.solver_mode = mode
        with contextlib.redirect_stdout(io.StringIO()):
            solve(z, y, k=k)
        _finish()

    return {peer: functools.partial(call, mode) for peer, mode in _MODES.items()}

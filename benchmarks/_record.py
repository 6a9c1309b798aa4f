"""Where benchmark results go, and what they were measured on."""

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
from typing import Any

RESULTS = pathlib.Path(__file__).parent / "results"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch", "spacelearn", "scikit-learn")


def cores() -> int:
    """Returns how many cores XLA spreads its work over: those this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def setting(dtype: str = "float32") -> dict[str, Any]:
    """Describes device, threads and versions."""
    import jax  # not above: the runner imports this file for the folder alone

    device = jax.devices()[0]
    # Only a script that measures peers has torch, and it sets its threads.
    torch = sys.modules.get("torch")
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": {
            "xla": cores(),
            "torch": torch.get_num_threads() if torch else None,
            "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS"),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        },
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "dtype": dtype,
    }


def named(name: str, dtype: str) -> str:
    """Returns what results of a dtype are called."""
    return name if dtype == "float32" else f"{name}-{dtype}"


def save(
    name: str, results: dict[str, Any], folder: pathlib.Path = RESULTS, dtype: str = "float32"
) -> None:
    """Writes results and what they were measured on to a file of that name in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{named(name, dtype)}.json"
    path.write_text(json.dumps({"setting": setting(dtype)} | results, indent=2) + "\n")
    print(f"wrote {path}")


def load(name: str, folder: pathlib.Path = RESULTS) -> dict[str, Any] | None:
    """Reads what ``save`` wrote, or returns None."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None

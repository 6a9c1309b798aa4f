"""Where benchmark results go, and what they were measured on."""

import json
import os
import pathlib
import platform
from typing import Any

import flax
import jax
import jaxlib
import optax

RESULTS = pathlib.Path(__file__).parent / "results"


def save(name: str, results: dict[str, Any]) -> None:
    """Writes results with device, versions and dtype to ``results/{name}.json``."""
    device = jax.devices()[0]
    setting = {
        "device": f"{device.platform}: {device.device_kind}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "flax": flax.__version__,
        "optax": optax.__version__,
        "dtype": "float32",
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"setting": setting} | results, indent=2) + "\n")

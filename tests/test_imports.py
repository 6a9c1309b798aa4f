"""Imports go one way, and nothing optional is needed to import the package."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import spacelearn_jax

NAME = "spacelearn_jax"
ROOT = Path(spacelearn_jax.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

#: Layers from the bottom up: a module imports from layers below its own, and its own
#: package. Those of one layer don't know each other.
LAYERS = (
    ("_checks",),
    ("_numerics", "_compile", "_files", "_cuts", "_repr", "_schedule"),
    ("_stacks",),
    ("linalg",),
    ("_moments",),
    ("moments",),
    ("data", "_subspaces"),
    ("space",),
    ("loss", "optim"),
    ("_solve", "_dims"),
    ("training", "streams", "io", "_flax_serialization"),
    ("flax_linen", "flax_nnx"),
    ("demo",),
    ("cli",),
    ("__main__",),
)
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

#: Parts that may need more than the runtime dependencies.
APPLICATIONS = ("cli", "demo", "__main__", "flax_linen", "flax_nnx", "_flax_serialization")
FLAX = ("demo", "flax_linen", "flax_nnx", "_flax_serialization")
REQUIRED = {"jax", "jaxlib", "numpy", "optax", "ml_dtypes", NAME}
OPTIONAL = ("matplotlib", "typer", "rich", "exponax", "torch", "flax", "platformdirs", "scipy")


def module_of(path):
    """Returns the dotted path below the package, without ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def is_typing_block(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path, *, nested):
    """Yields the full names that a file imports; ``nested`` those inside functions too."""
    package = (NAME, *path.relative_to(ROOT).parts[:-1])
    pending = list(ast.parse(path.read_text()).body)
    while pending:
        node = pending.pop()
        if is_typing_block(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif nested or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def own(path, *, nested=True):
    """Yields the first name below the package of every import of its own modules."""
    for name in imports(path, nested=nested):
        first, *rest = name.split(".")
        if first == NAME and rest:
            yield rest[0]


def ids(path):
    return ".".join(module_of(path)) or NAME


MODULES = [path for path in FILES if module_of(path)]


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_module_has_a_layer(path):
    assert module_of(path)[0] in LEVELS


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_go_down(path):
    here = module_of(path)[0]
    for there in own(path):
        if there not in LEVELS:
            # A name of the package itself, which applications use as anyone does.
            assert here in APPLICATIONS, f"{here} imports {there} from the package"
        elif there != here:
            assert LEVELS[there] < LEVELS[here], f"{here} imports {there}"


def test_package_imports_its_parts_only_from_the_top():
    # Going through the package would close a circle over its own parts.
    for path in MODULES:
        if module_of(path)[0] not in APPLICATIONS:
            assert NAME not in set(imports(path, nested=True)), path


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_library_needs_only_what_is_required(path):
    parts = module_of(path)
    if parts and parts[0] in APPLICATIONS:
        return
    for name in imports(path, nested=False):
        top = name.split(".")[0]
        assert top in REQUIRED or top in sys.stdlib_module_names, f"{path.name} imports {top}"


def test_library_requires_only_what_it_needs():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    required = {re.match(r"\w+", each)[0] for each in project["dependencies"]}
    imported = {name.split(".")[0] for path in FILES for name in imports(path, nested=True)}
    assert required - imported == {"jaxlib"}  # of the version of JAX


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_flax_is_used_where_it_is_named(path):
    used = any(name.split(".")[0] == "flax" for name in imports(path, nested=True))
    assert not used or module_of(path)[0] in FLAX


def test_importing_the_package_loads_nothing_optional():
    code = f"import sys, {NAME}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert NAME in loaded
    # JAX itself may load SciPy.
    assert not loaded & set(OPTIONAL) - {"scipy"}


def test_importing_the_package_prints_nothing_and_starts_no_device():
    code = (
        f"import {NAME}, jax\n"
        "from jax.extend import backend\n"
        "import jax._src.xla_bridge as bridge\n"
        "assert not bridge._backends\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_library_prints_nothing(path):
    parts = module_of(path)
    if parts and parts[0] == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "jax.debug.print", "sys.stdout.write")


def test_imports_are_seen(tmp_path, monkeypatch):
    """The reading of imports has teeth."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "linalg").mkdir()
    path = tmp_path / "linalg" / "_x.py"
    path.write_text(
        f"import os\nfrom {NAME} import loss\nfrom ..space import Space\nfrom . import _svd\n"
        "if TYPE_CHECKING:\n    import torch\n"
        f"def f():\n    import {NAME}.optim._k\n"
    )
    found = set(imports(path, nested=True))
    assert found == {
        "os",
        f"{NAME}.loss",
        f"{NAME}.space.Space",
        f"{NAME}.linalg._svd",
        f"{NAME}.optim._k",
    }
    assert set(own(path)) == {"loss", "space", "linalg", "optim"}
    assert f"{NAME}.optim._k" not in set(imports(path, nested=False))

"""The rooms of the house and the one direction in which they import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlp_assets

ROOT = Path(__file__).parents[2]
ALLOWED: dict[str, set[str]] = {
    "mlp_assets": {"mlp_assets.spec", "mlp_assets.training"},
    "mlp_assets.spec": set(),
    "mlp_assets.engine": {"mlp_assets.spec"},
    "mlp_assets.training": {"mlp_assets.engine", "mlp_assets.spec", "mlp_resources.ports"},
    "mlp_assets.serving": {"mlp_assets.engine", "mlp_assets.spec", "mlp_resources.ports", "mlp_resources.online_views"},
    "mlp_assets.build": {
        "mlp_assets.engine", "mlp_assets.spec", "mlp_assets.serving", "mlp_resources.ports",
        "mlp_resources.environments", "mlp_resources.provenance",
    },
    "mlp_assets.projects": {"mlp_assets", "mlp_assets.projects"},
    "mlp_assets.store": {
        "mlp_assets.engine", "mlp_assets.spec", "mlp_assets.serving", "mlp_resources.ports",
        "mlp_resources.environments", "mlp_resources.home",
    },
    "mlp_assets.testing": {"mlp_assets.engine", "mlp_assets.spec"},
    "mlp_assets.template": {"mlp_assets", "mlp_assets.platform", "mlp_assets.testing"},
    "mlp_assets.platform": {"mlp_assets.build", "mlp_assets.spec", "mlp_sensors", "mlp_resources.environments"},
    "mlp_assets.definitions": {"mlp_assets.platform", "mlp_assets.projects"},
    "mlp_assets.cli": {
        "mlp_assets.platform", "mlp_assets.build.keys", "mlp_assets.engine", "mlp_assets.spec", "mlp_assets.projects",
        "mlp_assets.store", "mlp_resources.ports", "mlp_resources.environments", "mlp_resources.home",
        "mlp_resources.processes", "mlp_sensors",
    },
    "mlp_resources": {"mlp_assets.engine", "mlp_assets.spec", "mlp_resources", "mlp_resources.ports"},
    "mlp_sensors": {"mlp_assets.spec", "mlp_assets.build.keys", "mlp_resources.ports"},
}  # fmt: skip
# Adapters that others may import by name.
SHARED = {f"mlp_resources.{name}" for name in ("environments", "online_views", "home", "processes", "provenance")}
FILES = [path for top in ("mlp_assets", "mlp_resources", "mlp_sensors") for path in sorted((ROOT / top).rglob("*.py"))]


def room(module: str) -> str:
    """The room of a module: the longest name in the table that it begins with."""
    if module.startswith("mlp_resources.ports"):
        return "mlp_resources.ports"
    named = {*ALLOWED, *SHARED, "mlp_assets.build.keys"}
    known = [name for name in named if module == name or module.startswith(f"{name}.")]
    return max(known, key=len)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith(("mlp_assets", "mlp_resources", "mlp_sensors"))}


def home_room(path: Path) -> str:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found = room(module)
    if found in {*SHARED, "mlp_resources.ports"}:
        return "mlp_resources"
    return "mlp_assets.build" if found == "mlp_assets.build.keys" else found


def may(wanted: str, allowed: set[str]) -> bool:
    return wanted in allowed or any(wanted.startswith(f"{own}.") for own in allowed - {"mlp_assets"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    mine = home_room(path)
    allowed = ALLOWED[mine] | {mine}
    wrong = {name for name in imports(path) if not may(room(name), allowed)}
    if mine == "mlp_assets.projects":
        wrong = {name for name in imports(path) if name != "mlp_assets" and not name.startswith("mlp_assets.projects")}
    assert not wrong, f"{mine} may import {sorted(allowed)}, not {sorted(wrong)}"


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(mlp_assets.__all__) == list(mlp_assets.__all__)
    assert all(hasattr(mlp_assets, name) for name in mlp_assets.__all__)


def test_a_project_file_imports_no_heavy_library() -> None:
    code = "import sys, mlp_assets.projects.retail.project; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "dagster",
        "ray",
        "mlflow",
        "torch",
        "nannyml",
        "accelerate",
        "sklearn",
        "lightgbm",
        "pandas",
        "xgboost",
        "onnx",
        "onnxruntime",
        "skl2onnx",
        "pyarrow",
    }
    assert not heavy & set(loaded)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 260

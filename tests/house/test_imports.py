"""The layout of the code: folders import each other in one direction, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mlp_assets

ROOT = Path(__file__).parents[2]
PACKAGES = ("mlp_assets", "mlp_resources", "mlp_sensors")
FILES = [path for top in PACKAGES for path in sorted((ROOT / top).rglob("*.py"))]

# What a module of a folder may import, besides its own folder. A folder without a row of its own belongs to its parent.
FOUNDATION = {
    "mlp_assets.errors", "mlp_assets.exact_numbers", "mlp_assets.files", "mlp_assets.local_http", "mlp_assets.nouns",
}  # fmt: skip
PURE = {*FOUNDATION, "mlp_assets.metrics", "mlp_assets.tables"}
ASSETS = {*PURE, "mlp_assets.orchestration", "mlp_resources.ports"}
ALLOWED: dict[str, set[str]] = {
    "mlp_assets": {*FOUNDATION, "mlp_assets.training"},
    "mlp_assets.errors": set(),
    "mlp_assets.exact_numbers": set(),
    "mlp_assets.files": set(),
    "mlp_assets.local_http": set(),
    "mlp_assets.nouns": {"mlp_assets.errors", "mlp_assets.exact_numbers"},
    "mlp_assets.metrics": FOUNDATION,
    "mlp_assets.tables": FOUNDATION,
    "mlp_assets.jobs": FOUNDATION,
    "mlp_assets.artifact": {*PURE, "mlp_assets.jobs"},
    "mlp_assets.training": {*PURE, "mlp_assets.artifact", "mlp_assets.jobs"},
    "mlp_assets.features.compute": PURE,
    "mlp_assets.training_sets.compute": PURE,
    "mlp_assets.models.evaluation": {*PURE, "mlp_assets.artifact"},
    "mlp_assets.monitors.compute": PURE,
    "mlp_assets.orchestration": {*FOUNDATION, "mlp_assets.jobs", "mlp_resources.ports"},
    "mlp_assets.publications": ASSETS,
    "mlp_assets.features": {*ASSETS, "mlp_assets.features.compute", "mlp_assets.publications"},
    "mlp_assets.training_sets": {
        *ASSETS, "mlp_assets.features", "mlp_assets.publications", "mlp_assets.training_sets.compute",
    },
    "mlp_assets.models": {
        *ASSETS, "mlp_assets.artifact", "mlp_assets.features", "mlp_assets.jobs", "mlp_assets.models.evaluation",
        "mlp_assets.publications", "mlp_assets.training_sets",
    },
    "mlp_assets.endpoints.replica": {
        *PURE, "mlp_assets.artifact", "mlp_assets.features", "mlp_assets.jobs", "mlp_resources.environments",
        "mlp_resources.ports",
    },
    "mlp_assets.endpoints.skew": {
        *ASSETS, "mlp_assets.endpoints.replica", "mlp_assets.features", "mlp_assets.publications",
    },
    "mlp_assets.endpoints": {
        *ASSETS, "mlp_assets.endpoints.replica", "mlp_assets.endpoints.skew", "mlp_assets.features", "mlp_assets.jobs",
        "mlp_assets.models", "mlp_assets.models.evaluation",
    },
    "mlp_assets.batch_scores": {
        *ASSETS, "mlp_assets.endpoints", "mlp_assets.endpoints.replica", "mlp_assets.features", "mlp_assets.models",
        "mlp_assets.publications",
    },
    "mlp_assets.monitors": {*ASSETS, "mlp_assets.artifact", "mlp_assets.features", "mlp_assets.monitors.compute"},
    "mlp_assets.maintenance": {*ASSETS, "mlp_assets.features"},
    "mlp_assets.preview": {*ASSETS, "mlp_assets.features"},
    "mlp_assets.backfill": {*ASSETS, "mlp_assets.features"},
    "mlp_assets.feature_store": {
        *ASSETS, "mlp_assets.features", "mlp_assets.features.compute", "mlp_assets.publications",
        "mlp_resources.environments",
    },
    "mlp_assets.testing": {*PURE, "mlp_assets.features.compute", "mlp_assets.training_sets.compute"},
    "mlp_assets.platform": {
        *ASSETS, "mlp_assets.backfill", "mlp_assets.batch_scores", "mlp_assets.endpoints", "mlp_assets.features",
        "mlp_assets.maintenance",
        "mlp_assets.models", "mlp_assets.monitors", "mlp_assets.preview", "mlp_assets.training_sets",
        "mlp_resources.environments", "mlp_sensors",
    },
    "mlp_assets.template": {"mlp_assets", "mlp_assets.platform", "mlp_assets.testing"},
    "mlp_assets.examples": {"mlp_assets"},
    "mlp_assets.definitions": {"mlp_assets.examples", "mlp_assets.platform"},
    "mlp_assets.local_platform": {
        *FOUNDATION, "mlp_resources.compute", "mlp_resources.environments", "mlp_resources.serving",
    },
    "mlp_assets.examples.rehearsal": {
        *ASSETS, "mlp_assets.artifact", "mlp_assets.examples", "mlp_assets.jobs", "mlp_assets.local_platform",
        "mlp_assets.models",
        "mlp_assets.models.evaluation", "mlp_assets.platform", "mlp_resources.compute", "mlp_resources.environments",
        "mlp_sensors",
    },
    "mlp_assets.cli": {
        *FOUNDATION, "mlp_assets.examples.rehearsal", "mlp_assets.feature_store", "mlp_assets.features.compute",
        "mlp_assets.local_platform", "mlp_assets.platform", "mlp_resources.compute",
        "mlp_resources.environments", "mlp_resources.serving",
    },
    "mlp_sensors": {*FOUNDATION, "mlp_assets.orchestration", "mlp_resources.ports"},
    "mlp_resources": set(),
    "mlp_resources.leases": {*FOUNDATION, "mlp_assets.jobs", "mlp_resources.ports"},
    "mlp_resources.ports": {*FOUNDATION, "mlp_assets.jobs"},
    "mlp_resources.lake": {*PURE, "mlp_resources.ports"},
    "mlp_resources.online": {*PURE, "mlp_resources.ports"},
    "mlp_resources.registry": {*PURE, "mlp_assets.artifact", "mlp_resources.leases", "mlp_resources.ports"},
    "mlp_resources.monitoring": {*PURE, "mlp_resources.ports"},
    "mlp_resources.compute": {
        *PURE, "mlp_assets.artifact", "mlp_assets.jobs", "mlp_resources.leases", "mlp_resources.ports",
        "mlp_resources.registry",
    },
    "mlp_resources.kubernetes": {*FOUNDATION, "mlp_assets.jobs", "mlp_resources.compute", "mlp_resources.ports"},
    "mlp_resources.serving": {*FOUNDATION, "mlp_resources.compute", "mlp_resources.leases", "mlp_resources.ports"},
    "mlp_resources.environments": {
        *PURE, "mlp_resources.compute", "mlp_resources.kubernetes", "mlp_resources.lake", "mlp_resources.leases",
        "mlp_resources.monitoring", "mlp_resources.online",
        "mlp_resources.ports", "mlp_resources.registry", "mlp_resources.serving",
    },
}  # fmt: skip
# Folders and files that may import Dagster. The examples' rehearsals and `mlp plan` drive it as a user would.
DAGSTER = (
    "mlp_assets/orchestration/", "mlp_assets/preview/", "mlp_sensors/", "mlp_assets/platform.py",
    "mlp_assets/definitions.py", "mlp_assets/template/", "mlp_assets/examples/rehearsal/", "mlp_assets/cli/plan.py",
    "mlp_assets/backfill/", "mlp_assets/cli/backfill.py", "mlp_assets/cli/backfill_progress.py",
    "mlp_assets/local_platform/dagster_servers.py",
)  # fmt: skip
HEAVY = {
    "accelerate", "dagster", "lightgbm", "mlflow", "nannyml", "onnx", "onnxruntime", "pandas", "pyarrow", "ray",
    "skl2onnx", "sklearn", "torch", "xgboost",
}  # fmt: skip


def folder_of(module: str) -> str:
    """The longest name in the table that the module begins with."""
    return max((name for name in ALLOWED if module == name or module.startswith(f"{name}.")), key=len)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Full names of what the file imports, at its head or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_table_of_folders_has_no_circle() -> None:
    TopologicalSorter({name: allowed - {name} for name, allowed in ALLOWED.items()}).prepare()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    mine = folder_of(module_of(path))
    ours = {name for name in imports(path) if name.startswith(PACKAGES)}
    wrong = {name for name in ours if folder_of(name) not in ALLOWED[mine] | {mine}}
    assert not wrong, f"{mine} may import {sorted(ALLOWED[mine])}, not {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_assets_and_orchestration_import_dagster(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    allowed = name.endswith("_asset.py") or name.startswith(DAGSTER)
    assert allowed or not {module for module in imports(path) if module.split(".")[0] == "dagster"}


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in FILES}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_folders_are_small(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= 18, f"{folder.name} holds {len(modules)} modules; a reader finds about 15"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 260


def test_what_tests_share_lies_in_support() -> None:
    wrong: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        names = {name for name in imports(path) if name.startswith("tests.") and not name.startswith("tests.support.")}
        if names:
            wrong[module_of(path)] = names
    assert not wrong


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(mlp_assets.__all__) == list(mlp_assets.__all__)
    assert all(hasattr(mlp_assets, name) for name in mlp_assets.__all__)


def test_a_project_file_imports_no_heavy_library() -> None:
    assert not HEAVY & loaded_by("import mlp_assets.examples.retail.project")


def test_a_code_location_loads_no_library_of_models() -> None:
    """Each run loads the definitions anew, whose code versions cover modules that import torch."""
    loaded = loaded_by("import mlp_assets.definitions; mlp_assets.definitions.definitions()")
    assert not {*HEAVY, "transformers"} & loaded - {"dagster"}


def loaded_by(code: str) -> set[str]:
    """Names of the modules that a new process has loaded after running the code."""
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

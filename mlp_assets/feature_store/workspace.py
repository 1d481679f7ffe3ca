"""The projects of a workspace: found in the modules that ``workspace.yaml`` names, without Dagster's servers."""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from mlp_assets.errors import MlpError
from mlp_assets.nouns.project import Project

WORKSPACE = "workspace.yaml"


class WorkspaceError(MlpError):
    """A workspace file cannot be read."""


@dataclass(frozen=True)
class Workspace:
    """``projects`` are those of all code locations, each once; ``failed`` maps a location to why it has none."""

    projects: tuple[Project, ...]
    failed: Mapping[str, str]


def nearest_workspace() -> Path:
    """The workspace file of the working directory, or of the nearest folder above it that has one."""
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / WORKSPACE).exists()), here / WORKSPACE)


def load_workspace(file: Path) -> Workspace:
    """Imports the code locations of a workspace file and finds the projects in them.

    Raises:
        WorkspaceError: there is no such file, or it is no workspace file.
    """
    projects: dict[int, Project] = {}
    failed: dict[str, str] = {}
    for name, module in _locations(file):
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what a team's module prints is no answer of ours
                found = _projects_in(_imported(module, file.resolve().parent))
        except (Exception, SystemExit) as error:  # whatever a team's code raises must not hide the other teams'
            failed[name] = str(error) if isinstance(error, MlpError) else f"{type(error).__name__}: {error}"
            continue
        if not found:
            failed[name] = "there is no mlp.Project at the top of its module. Import it there, not in a function."
        projects |= {id(one): one for project in found for one in (*project.used, project)}
    return Workspace(tuple(projects.values()), failed)


def _locations(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """(name, entry) of each code location; an entry has one of module_name, package_name and relative_path."""
    try:
        read = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        fix = "Name another with --workspace, or write load_from: [{python_module: my_team.definitions}] in it."
        raise WorkspaceError(f"There is no workspace file at {file}. {fix}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorkspaceError(f"{file} cannot be read: {error}") from error
    entries = read.get("load_from") if isinstance(read, dict) else None
    if not isinstance(entries, list):
        raise WorkspaceError(
            f"{file} has no list load_from. Write load_from: [{{python_module: my_team.definitions}}]."
        )
    return [_location(file, entry) for entry in entries]


def _location(file: Path, entry: Any) -> tuple[str, dict[str, Any]]:
    kinds = {"python_module": "module_name", "python_package": "package_name", "python_file": "relative_path"}
    kind, told = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else ("", None)
    if kind not in kinds:
        return str(kind or entry), {"other": kind or entry}
    told = dict(told) if isinstance(told, dict) else {kinds[kind]: told}
    if kinds[kind] not in told:
        raise WorkspaceError(f"{file}: {kind} has no {kinds[kind]}. Write {{{kind}: {{{kinds[kind]}: ...}}}}.")
    return str(told.get("location_name") or told[kinds[kind]]), told


def _imported(entry: dict[str, Any], folder: Path) -> ModuleType:
    """The module of a code location, with the folders at the head of the path that Dagster puts there."""
    if "other" in entry:
        raise WorkspaceError(f"{entry['other']!r} is no module or file of Python, so its projects are not read here.")
    here = folder / entry.get("working_directory", ".")
    sys.path[:0] = [path for path in dict.fromkeys([str(here), str(Path.cwd())]) if path not in sys.path]
    if "relative_path" not in entry:
        return importlib.import_module(entry.get("module_name") or entry["package_name"])
    path = folder / entry["relative_path"]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise WorkspaceError(f"{path} is no file of Python.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _projects_in(module: ModuleType) -> list[Project]:
    values = list(vars(module).values())
    listed = [one for value in values for one in (value if type(value) in (list, tuple) else [value])]
    return [one for one in listed if isinstance(one, Project)]

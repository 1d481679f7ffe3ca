"""Imports the modules that ``workspace.yaml`` names and finds their projects, without Dagster's servers."""

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
    """The projects of all code locations, each once. ``failed`` maps a location that has none to the reason."""

    projects: tuple[Project, ...]
    failed: Mapping[str, str]


def nearest_workspace() -> Path:
    """The workspace file of the working directory, or of the nearest folder above that has one."""
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / WORKSPACE).exists()), here / WORKSPACE)


def load_workspace(file: Path) -> Workspace:
    """Imports the code locations of a workspace file and collects their projects.

    Raises:
        WorkspaceError: the file does not exist, or is not a workspace file.
    """
    projects: dict[int, Project] = {}
    failed: dict[str, str] = {}
    for name, module in locations_of(file):
        try:
            with contextlib.redirect_stdout(sys.stderr):  # output of a team's module must not mix with ours
                own = _projects_in(_import_module(module, file.resolve().parent))
        except (Exception, SystemExit) as error:  # an error in one team's code must not hide the other teams
            failed[name] = str(error) if isinstance(error, MlpError) else f"{type(error).__name__}: {error}"
            continue
        if not own:
            failed[name] = (
                "its module has no mlp.Project at the top level. Import the project there, not in a function."
            )
        projects |= {id(each): each for project in own for each in (*project.used, project)}
    return Workspace(tuple(projects.values()), failed)


def text_of(file: Path) -> str:
    """The text of a workspace file. Raises WorkspaceError where it is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise WorkspaceError(f"{file} is not UTF-8, as Dagster reads it. Save it in that encoding.") from None


def locations_of(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """(name, entry) of each code location. An entry has one of module_name, package_name and relative_path.

    Raises:
        WorkspaceError: the file does not exist, or is not a workspace file.
    """
    try:
        content = yaml.safe_load(text_of(file))
    except FileNotFoundError:
        fix = "Name another with --workspace, or create it with load_from: [{python_module: my_team.definitions}]."
        raise WorkspaceError(f"There is no workspace file at {file}. {fix}") from None
    except (OSError, yaml.YAMLError) as error:
        raise WorkspaceError(f"{file} cannot be read: {error}") from error
    entries = content.get("load_from") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise WorkspaceError(
            f"{file} has no list load_from. Write load_from: [{{python_module: my_team.definitions}}]."
        )
    return [_location(file, entry) for entry in entries]


def _location(file: Path, entry: Any) -> tuple[str, dict[str, Any]]:
    kinds = {"python_module": "module_name", "python_package": "package_name", "python_file": "relative_path"}
    kind, options = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else ("", None)
    if kind not in kinds:
        return str(kind or entry), {"other": kind or entry}
    options = dict(options) if isinstance(options, dict) else {kinds[kind]: options}
    if kinds[kind] not in options:
        raise WorkspaceError(f"{file}: {kind} has no {kinds[kind]}. Write {{{kind}: {{{kinds[kind]}: ...}}}}.")
    return str(options.get("location_name") or options[kinds[kind]]), options


def _import_module(entry: dict[str, Any], folder: Path) -> ModuleType:
    """Imports the module of a code location, with the folders on ``sys.path`` that Dagster puts there."""
    if "other" in entry:
        raise WorkspaceError(
            f"{entry['other']!r} is neither a Python module nor a file, so its projects cannot be read here."
        )
    here = folder / entry.get("working_directory", ".")
    sys.path[:0] = [path for path in dict.fromkeys([str(here), str(Path.cwd())]) if path not in sys.path]
    if "relative_path" not in entry:
        return importlib.import_module(entry.get("module_name") or entry["package_name"])
    path = folder / entry["relative_path"]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise WorkspaceError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _projects_in(module: ModuleType) -> list[Project]:
    values = list(vars(module).values())
    items = [item for value in values for item in (value if type(value) in (list, tuple) else [value])]
    return [item for item in items if isinstance(item, Project)]

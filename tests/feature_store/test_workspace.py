"""Workspace files: every kind of entry, and the reasons for entries that do not load."""

import re
from pathlib import Path

import pytest

import mlp_assets as mlp
from mlp_assets.feature_store.workspace import WorkspaceError, load_workspace, nearest_workspace

SPECS = """
import polars as pl
import mlp_assets as mlp

orders = mlp.Source("orders", delta="/lake/orders", event_time="at", columns={{"user_id": pl.Int64, "at": pl.Datetime}})
visits = mlp.FeatureView(
    "visits", entity=mlp.Entity("user", keys=["user_id"]), source=orders, features={{"visits_7d": mlp.count("7d")}}
)
{name} = mlp.Project("{name}", owner="team:{name}", assets=[visits])
"""
DEFINITIONS = """
import dagster as dg
from mlp_assets.platform import definitions_for
from {package}.specs import {name}

@dg.definitions
def definitions():
    return definitions_for({name})
"""


def team(folder: Path, package: str, name: str) -> None:
    """A team's code location: its specs, and a module that imports them."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    (folder / package / "specs.py").write_text(SPECS.format(name=name))
    (folder / package / "definitions.py").write_text(DEFINITIONS.format(package=package, name=name))


def names(projects: tuple[mlp.Project, ...]) -> list[str]:
    return [project.name for project in projects]


def test_every_kind_of_code_location(tmp_path: Path) -> None:
    team(tmp_path, "w_first", "first")
    team(tmp_path / "elsewhere", "w_second", "second")
    (tmp_path / "w_third.py").write_text(SPECS.format(name="third"))
    (tmp_path / "w_many.py").write_text("from w_first.specs import first\nprojects = [first]\n")
    file = tmp_path / "workspace.yaml"
    file.write_text(
        "load_from:\n"
        "  - python_module: {module_name: w_first.definitions, location_name: one}\n"
        "  - python_module: {module_name: w_second.definitions, working_directory: elsewhere}\n"
        "  - python_package: w_first.specs\n"
        "  - python_file: w_third.py\n"
        "  - python_file: {relative_path: w_many.py}\n"
    )
    workspace = load_workspace(file)
    assert names(workspace.projects) == ["first", "second", "third"]
    assert workspace.failed == {}


def test_a_location_that_does_not_load_has_a_reason_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    team(tmp_path, "w_well", "well")
    (tmp_path / "w_broken.py").write_text("import polars as pl\npl.clo('a')\n")
    (tmp_path / "w_none.py").write_text("print('hello')\n")
    (tmp_path / "w_leaves.py").write_text("import sys\nsys.exit('no licence')\n")
    (tmp_path / "w_wrong.py").write_text("import mlp_assets as mlp\np = mlp.Project('p', owner='x', assets=[])\n")
    file = tmp_path / "workspace.yaml"
    modules = ("w_broken", "w_none", "w_leaves", "w_well.definitions", "w_wrong", "w_absent")
    file.write_text(
        "load_from:\n" + "".join(f"  - python_module: {name}\n" for name in modules) + "  - grpc_server: {}\n"
    )
    workspace = load_workspace(file)
    assert names(workspace.projects) == ["well"]
    reasons = {
        "w_broken": "AttributeError: module 'polars' has no attribute 'clo'",
        "w_leaves": "SystemExit: no licence",
        "w_none": "no mlp.Project at the top level",
        "w_wrong": "owner='x'",
        "w_absent": "No module named 'w_absent'",
        "grpc_server": "neither a Python module nor a file",
    }
    assert set(workspace.failed) == set(reasons)
    assert [name for name, reason in reasons.items() if reason not in workspace.failed[name]] == []
    assert capsys.readouterr() == ("", "hello\n")


def test_projects_that_a_project_uses_are_loaded_too(tmp_path: Path) -> None:
    (tmp_path / "w_base.py").write_text(SPECS.format(name="base"))
    (tmp_path / "w_top.py").write_text(
        "import mlp_assets as mlp, w_base\n"
        "more = mlp.FeatureView('more', entity=w_base.visits.entity, source=w_base.visits,"
        " features={'most': mlp.maximum('visits_7d', '28d')})\n"
        "top = mlp.Project('top', owner='team:top', assets=[more], uses=[w_base.base])\n"
    )
    file = tmp_path / "workspace.yaml"
    file.write_text("load_from:\n  - python_module: w_top\n  - python_module: w_base\n")
    assert names(load_workspace(file).projects) == ["base", "top"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("load_from: {", "cannot be read"),
        ("- a\n", "has no list load_from. Write load_from"),
        ("load_from: [python_module: {location_name: x}]", "python_module has no module_name"),
        ("load_from: []".encode("utf-16"), "is not UTF-8, as Dagster reads it. Save it"),
        (None, "There is no workspace file at"),
    ],
)
def test_a_wrong_workspace_file_is_refused(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    file = tmp_path / "workspace.yaml"
    if text is not None:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(WorkspaceError, match=re.escape(message)):
        load_workspace(file)


def test_the_nearest_workspace_is_here_or_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert nearest_workspace() == tmp_path / "a" / "b" / "workspace.yaml"
    (tmp_path / "workspace.yaml").touch()
    assert nearest_workspace() == tmp_path / "workspace.yaml"
    (tmp_path / "a" / "workspace.yaml").touch()
    assert nearest_workspace() == tmp_path / "a" / "workspace.yaml"

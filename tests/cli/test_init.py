"""`mlp init`: the new project works at once, the workspace keeps its content, and a failure writes nothing."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mlp_assets.cli.init import InitError, make
from mlp_assets.cli.workspace_file import WorkspaceFileError, location, with_location
from mlp_assets.errors import MlpError

BIN = Path(sys.executable).parent
WEDNESDAY = datetime(2026, 11, 25, 9, tzinfo=UTC)
RETAIL = {"python_module": {"module_name": "mlp_assets.definitions", "location_name": "retail"}}


def run(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*words], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=200)


def test_the_tests_of_a_new_project_pass_from_any_folder(tmp_path: Path) -> None:
    done = run(str(BIN / "mlp"), "init", "shoes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shoes/ was written and added to workspace.yaml" in done.stdout
    explained = ("its features on frames", "its sources and features", "then launch a job")
    assert len({line.index(text) for text in explained for line in done.stdout.splitlines() if text in line}) == 1
    assert (tmp_path / "shoes" / "__init__.py").read_text().startswith('"""The project shoes:')
    assert len((tmp_path / "shoes" / "project.py").read_text().splitlines()) <= 100
    assert sum(path.stat().st_size for path in (tmp_path / "shoes").rglob("*.parquet")) < 300_000
    names = [
        path.name for path in tmp_path.rglob("*") if "mlp_assets.template" in path.name or "my_project" in path.name
    ]
    mentions = [path for path in (tmp_path / "shoes").rglob("*.[pm][yd]") if "my_project" in path.read_text()]
    assert (names, mentions) == ([], [])
    tested = run(str(BIN / "pytest"), "-q", str(tmp_path / "shoes"), cwd=Path("/"))
    assert "4 passed" in tested.stdout, tested.stdout[-3000:]


def test_dagster_loads_the_workspace_from_any_folder(tmp_path: Path) -> None:
    make("shoes", tmp_path, WEDNESDAY)
    file = str(tmp_path / "workspace.yaml")
    loaded = run(str(BIN / "dagster"), "job", "list", "-w", file, cwd=Path("/"))
    assert loaded.returncode == 0, loaded.stderr[-2000:]
    for job in ("shoes__weekly", "shoes__train_orders_again", "shoes__drain_score"):
        assert f"Job: {job}" in loaded.stdout


def test_the_data_is_reproducible_and_ends_last_week(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        make("shoes", tmp_path / folder, WEDNESDAY)
    first, second = (
        (tmp_path / folder / "shoes" / "data" / "orders.parquet").read_bytes() for folder in ("one", "two")
    )
    assert first == second
    assert 'START, END = "2026-02-16", "2026-11-23"' in (tmp_path / "one" / "shoes" / "project.py").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Shoes", "'Shoes' cannot be a name. Write lower-case letters, digits and _, such as 'shoes'."),
        ("my-shoes", "such as 'my_shoes'."),
        ("../shoes", "such as 'shoes'."),
        (
            "json",
            "'json' is the name of an installed package, so that package could not be imported. Write 'json_project'",
        ),
        ("mlp_assets", "Write 'mlp_assets_project'"),
        ("class", "'class' is a keyword of Python"),
        ("s" * 41, "is longer than 40 characters"),
    ],
)
def test_an_invalid_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InitError) as raised:
        make(name, tmp_path, WEDNESDAY)
    assert message in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_of_that_name_is_kept(tmp_path: Path) -> None:
    (tmp_path / "shoes").write_text("mine")
    with pytest.raises(InitError, match="shoes exists already. Choose another name, or move it away"):
        make("shoes", tmp_path, WEDNESDAY)
    assert (tmp_path / "shoes").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["shoes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ""),
        (b"load_from: {retail: 1}\n", " load_from is not a list"),
        (b"load_from: [\n", " is not valid YAML"),
        ("load_from: []".encode("utf-16"), " is not UTF-8, as Dagster reads it"),
        (b"- python_module: retail\n", " holds a list, and Dagster reads code locations below load_from"),
        (b"retail\n", " holds a text, and Dagster reads"),
    ],
)
def test_nothing_is_written_where_the_workspace_cannot_be_extended(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "workspace.yaml"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(MlpError, match=rf"workspace\.yaml.?{message}"):
        make("shoes", tmp_path, WEDNESDAY)
    assert [path.name for path in tmp_path.iterdir()] == ["workspace.yaml"]
    assert content is None or file.read_bytes() == content


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InitError, match="No space left on device. Nothing was written"):
        make("shoes", tmp_path, WEDNESDAY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "load_from:\n  - python_module:\n      module_name: mlp_assets.definitions\n      location_name: retail\n",
        "# ours\nload_from:  # all\n- python_module: mlp_assets.definitions\n# the end\n",
        "load_from:\n  # first\n  - python_module:\n      module_name: a\n\n  # more\n  - python_package: b\n\nx: 1\n",
        "load_from:\n",
        "load_from: []\n",
        '{"load_from": [{"python_module": "mlp_assets.definitions"}]}\n',
        "other: 1  # kept\n",
    ],
)
def test_a_workspace_keeps_its_content(tmp_path: Path, text: str) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(text)
    before = yaml.safe_load(text) or {}
    added = with_location(file, "shoes")
    assert yaml.safe_load(added) == {**before, "load_from": [*(before.get("load_from") or []), location("shoes")]}
    assert all(line in added for line in text.splitlines() if "#" in line)
    file.write_text(added)
    extended = with_location(file, "hats")
    assert yaml.safe_load(extended)["load_from"][-2:] == [location("shoes"), location("hats")]


def test_a_second_entry_of_the_same_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(yaml.safe_dump({"load_from": [RETAIL]}))
    with pytest.raises(WorkspaceFileError, match="has a code location 'retail' already"):
        with_location(file, "retail")
    file.write_text("load_from: [python_module: a]  # mine\n")
    with pytest.raises(WorkspaceFileError, match="would lose its comments. Write its load_from as a list"):
        with_location(file, "shoes")

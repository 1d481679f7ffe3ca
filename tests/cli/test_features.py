"""`mlp features` on the tables of real runs: the list, the search, one feature in full, and the messages."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from mlp_assets.cli.features import report
from mlp_assets.cli.formatting import freshness, percent, span
from mlp_assets.feature_store.catalogue import catalogue
from mlp_assets.feature_store.workspace import load_workspace
from mlp_resources.environments.local import LocalEnvironment
from tests.support import shop
from tests.support.platform import Platform, weeks

PROJECT = """
import mlp_assets as mlp
from tests.support import shop

first = shop.make()
(spending,) = first.feature_views
trend = mlp.FeatureView(
    "trend", entity=spending.entity, source=spending, owner="team:trend", fresh_within="9d", tags={"tier": "gold"},
    features={
        "most_spent": mlp.maximum("spend_7d", over="28d", description="The best week of four."),
        "weeks": mlp.count(over="28d", owner="ann@example.com"),
    },
)
second = mlp.Project("second", owner="team:second", assets=[trend], uses=[first])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of two projects, one of them computed, and a code location that does not load."""
    made = tmp_path_factory.mktemp("team")
    (made / "catalogue_team.py").write_text(PROJECT)
    (made / "workspace.yaml").write_text("load_from:\n- python_module: catalogue_team\n- python_module: absent_team\n")
    platform = Platform(shop.make(), made / ".mlp")
    platform.run("source", tags=weeks("2024-01-01", "2024-02-05"))
    platform.run("features", tags=weeks("2024-01-01", "2024-02-05"))
    return made


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLP_HOME", str(folder / ".mlp"))


def printed(*words: str, width: int = 80, matches: bool = True, as_json: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    assert report(console, Path("workspace.yaml"), words, as_json=as_json) == matches
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_the_list_has_a_line_for_each_feature(width: int) -> None:
    text = printed(width=width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    for name in ("spend_7d", "spend_28d", "spend_share", "most_spent", "weeks"):
        assert sum(line.strip().startswith(name) for line in lines) == 1
    (shared,) = [line for line in lines if "spend_7d" in line and "total" in line]
    assert " 0 %  " in shared
    assert any(block in shared for block in "▅▆▇█")
    assert "shop.spending  user_id  newest row" in text
    assert "second.trend  user_id  not computed yet  team:trend  not online" in text
    assert "ann@example.com: count(over=" in text
    assert ("score" in text) == (width == 140)
    assert "Code location absent_team is left out: ModuleNotFoundError" in text


def names(*words: str) -> list[str]:
    return [feature["path"] for feature in json.loads(printed(*words, as_json=True))["features"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["GOLD"], ["second.trend.most_spent", "second.trend.weeks"]),
        (["best", "week"], ["second.trend.most_spent"]),
        (["tier=gold", "ann@"], ["second.trend.weeks"]),
        (["spending", "share"], ["shop.spending.spend_share"]),
        (["most_spent"], ["second.trend.most_spent"]),
        (["shop.spending.spend_7d"], ["shop.spending.spend_7d"]),
        (["week"], ["second.trend.weeks", "second.trend.most_spent"]),
    ],
)
def test_words_are_searched_in_every_text_of_a_feature(words: list[str], expected: list[str]) -> None:
    assert names(*words) == expected


def test_one_feature_in_full() -> None:
    lines = printed("spend_7d").splitlines()
    facts = {line[:15].strip(): line[15:].strip() for line in lines}
    assert lines[0] == "shop.spending.spend_7d"
    assert facts["entity"] == "user (user_id)"
    assert facts["formula"] == "total('amount', over='7d')"
    assert facts["made of"] == "purchases.amount"
    assert facts["window"] == "7d"
    assert facts["computed"] == "every 1w"
    assert facts["TTL"] == "28d"
    assert facts["freshness"].startswith("newest row ")
    assert facts["features"] == "spending.spend_share, trend.most_spent"
    assert facts["training sets"] == "shop.history"
    assert (facts["models"], facts["endpoints"], facts["monitors"]) == ("shop.comes_again", "shop.score", "shop.health")
    assert facts["missing"] == "0 % of 400 rows"
    assert any("████" in line for line in lines)


def test_json_has_every_fact() -> None:
    document = json.loads(printed("trend.weeks", as_json=True))
    (feature,) = document["features"]
    assert feature["owner"] == "ann@example.com"
    assert feature["tags"] == {"tier": "gold"}
    assert (feature["source"], feature["root"], feature["source_columns"]) == ("spending", "purchases", ["event_time"])
    assert (feature["fresh_within"], feature["fresh"], feature["statistics"]) == ("9d", None, None)
    assert feature["used_by"]["training_sets"] == []
    assert list(document["not_loaded"]) == ["absent_team"]
    (computed,) = json.loads(printed("spend_7d", as_json=True))["features"]
    assert sum(computed["statistics"]["histogram"]) == computed["statistics"]["rows"] == 400


def test_an_unknown_word_is_answered_with_the_closest() -> None:
    assert "No feature is about 'spedn_7d'. Did you mean 'spend_7d'?" in printed("spedn_7d", matches=False)
    assert "Did you mean 'most_spent'?" in printed("most_spend", matches=False)
    both = printed("share", "gold", matches=False)
    assert "No feature is about 'share' and 'gold' together. Leave one of them out." in both


def test_a_workspace_without_features(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    console = Console(file=io.StringIO(), width=80)
    assert report(console, tmp_path / "workspace.yaml", [])
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "The workspace has no features yet.\n"


def test_the_command(folder: Path) -> None:
    mlp = str(Path(sys.executable).parent / "mlp")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([mlp, "features", *arguments], capture_output=True, text=True, check=False, timeout=60)

    done = run("spending", "--json", "-w", str(folder / "workspace.yaml"))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["features"]) == 3
    assert run("nothing_of_this_name").returncode == 1
    missing = run("-w", "nowhere.yaml")
    assert missing.returncode == 1
    assert "There is no workspace file at nowhere.yaml." in missing.stdout


@pytest.mark.parametrize(
    ("age", "written"),
    [(9, "newest row 9 d old, fresh"), (9.01, "newest row 9 d old, stale"), (None, "not computed yet")],
)
def test_freshness_follows_the_view(age: float | None, written: str) -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    features = catalogue(load_workspace(Path("workspace.yaml")).projects, LocalEnvironment(Path(".mlp")).lake, now)
    (entry,) = [entry for entry in features if entry.name == "most_spent"]
    statistics = {"newest": now - timedelta(days=age)} if age is not None else None
    assert freshness(replace(entry, statistics=statistics)).plain == written


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.5, "0 s"), (90, "2 min"), (7200, "2 h"), (400_000, "5 d"), (5e7, "1.6 y")]
)
def test_spans(seconds: float, written: str) -> None:
    assert span(seconds) == written


@pytest.mark.parametrize(
    ("share", "written"), [(None, "–"), (0.0, "0 %"), (1e-5, "<0.1 %"), (0.159, "15.9 %"), (1.0, "100.0 %")]
)
def test_shares(share: float | None, written: str) -> None:
    assert percent(share) == written

"""The feature store on tables of real runs: its frames equal training sets and endpoint look-ups."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.errors import LakeError, MlpError
from mlp_assets.feature_store import FeatureStore, frames
from mlp_assets.feature_store.errors import StoreError
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.platform import Platform, weeks
from tests.support.redis_server import NEEDED, redis_server

FEATURES = ["spend_7d", "spend_28d", "spend_share"]
NOW = datetime(2024, 3, 6, tzinfo=UTC)
USERS = pl.DataFrame({"user_id": [7, 999_999, 3]})


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(shop.make(), tmp_path_factory.mktemp("store"), now=lambda: NOW)
    platform.run("source", tags=weeks("2024-01-01", "2024-03-25"))
    platform.run("features", tags=weeks("2024-01-01", "2024-02-26"))
    platform.run("online", "training_set")
    return platform


@pytest.fixture
def store(platform: Platform) -> FeatureStore:
    return FeatureStore(platform.project, environment=platform.environment)


def values(frame: pl.DataFrame, names: list[str]) -> list[list[int | None]]:
    """The bits of each value."""
    return [frame[name].reinterpret(signed=False).to_list() for name in names]


@pytest.mark.parametrize("few", [0, 100_000])
def test_the_frame_has_the_bits_of_the_training_set(
    store: FeatureStore, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_FEW", few)
    rows = store.training_set("history")
    assert rows.height > 1000
    answer = store.features("spending", entities=rows.select("at", "user_id").sample(fraction=1, shuffle=True), at="at")
    assert answer.columns == ["at", "user_id", *FEATURES]
    both = rows.join(answer, on=["user_id", "at"], suffix="_answer", maintain_order="left")
    assert both["spend_7d"].null_count() < both.height
    assert values(both, FEATURES) == values(both, [f"{name}_answer" for name in FEATURES])


def test_the_answer_keeps_the_order_of_rows_and_columns(store: FeatureStore) -> None:
    entities = USERS.with_columns(note=pl.Series(["a", "b", "c"]), known_at=pl.lit(1))
    answer = store.features(["spending.spend_share", "shop.spending.spend_7d"], entities, at="2024-02-12")
    assert answer.columns == ["user_id", "note", "known_at", "spend_share", "spend_7d"]
    assert answer["user_id"].to_list() == [7, 999_999, 3]
    table = store.environment.lake.scan(Table("shop", "features", "spending")).filter(
        pl.col("event_time") == datetime(2024, 2, 12, tzinfo=UTC)
    )
    stored = {row["user_id"]: row for row in table.collect().to_dicts()}
    assert answer["spend_7d"].to_list() == [stored[7]["spend_7d"], None, stored[3]["spend_7d"]]


@pytest.mark.parametrize(
    "at",
    [
        "2024-02-12T00:00:00",
        "2024-02-12T01:00:00+01:00",
        datetime(2024, 2, 12),
        datetime(2024, 2, 11, 19, tzinfo=timezone(timedelta(hours=-5))),
        date(2024, 2, 12),
    ],
)
def test_equal_times_give_equal_answers_however_they_are_written(store: FeatureStore, at: Any) -> None:
    wanted = store.features("spend_7d", USERS, at="2024-02-12")
    assert store.features("spend_7d", USERS, at=at).equals(wanted)
    column = USERS.with_columns(when=pl.lit(datetime.fromisoformat(at) if isinstance(at, str) else at))
    assert store.features("spend_7d", column, at="when").drop("when").equals(wanted)
    assert wanted["spend_7d"].null_count() == 1


def test_a_row_past_its_ttl_is_not_used(store: FeatureStore) -> None:
    newest = datetime(2024, 3, 4, tzinfo=UTC)
    last, after = newest + timedelta(days=28), newest + timedelta(days=28, microseconds=1)
    assert store.features("spend_7d", USERS, at=last)["spend_7d"].null_count() == 1
    assert store.features("spend_7d", USERS, at=after)["spend_7d"].null_count() == 3


def test_online_features_equal_the_features_known_now(store: FeatureStore) -> None:
    answer = store.online(store.projects[0].feature_views, USERS)
    assert answer.columns == ["user_id", *FEATURES, "spending.status"]
    assert answer["spending.status"].to_list() == ["found", "unknown", "found"]
    assert values(answer, FEATURES) == values(store.features("spending", USERS), FEATURES)


def test_an_online_row_past_its_ttl_is_expired(platform: Platform) -> None:
    later = LocalEnvironment(platform.environment.home, now=lambda: NOW + timedelta(days=40))
    answer = FeatureStore(platform.project, environment=later).online("spend_7d", USERS)
    assert answer["spending.status"].to_list() == ["expired", "unknown", "expired"]
    assert answer["spend_7d"].null_count() == 3


@NEEDED
def test_online_reads_the_store_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Platform
) -> None:
    with redis_server(tmp_path) as url:
        monkeypatch.setenv("MLP_ONLINE", url)
        on_redis = Platform(platform.project, platform.environment.home, now=lambda: NOW)
        on_redis.run("online")
        answer = FeatureStore(on_redis.project, environment=on_redis.environment).online("spending", USERS)
    monkeypatch.delenv("MLP_ONLINE")
    assert answer.equals(FeatureStore(platform.project, environment=platform.environment).online("spending", USERS))


def test_a_row_without_a_key_is_unknown_online(store: FeatureStore) -> None:
    answer = store.online("spend_7d", pl.DataFrame({"user_id": [None, 7]}, schema={"user_id": pl.Int64}))
    assert answer["spending.status"].to_list() == ["unknown", "found"]
    assert store.features("spend_7d", answer.select("user_id"))["spend_7d"].is_null().to_list() == [True, False]


def test_a_training_set_can_be_read_whole_or_by_split(store: FeatureStore) -> None:
    rows = store.training_set("history")
    assert store.training_set(store.projects[0].training_sets[0]).equals(rows)
    parts = [store.training_set("shop.history", split=part) for part in ("train", "validation", "test")]
    assert sum(part.height for part in parts) == rows.height
    assert parts[2]["split"].unique().to_list() == ["test"]
    assert (
        store.training_set(
            "history", version=store.environment.lake.version(Table("shop", "training_set", "history"))
        ).height
        == rows.height
    )


def test_a_project_is_found_by_its_name_in_the_nearest_workspace(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workspace.yaml").write_text("load_from:\n  - python_module: team_shop_project\n")
    (tmp_path / "team_shop_project.py").write_text("from tests.support import shop\nproject = shop.make()\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / ".mlp").symlink_to(platform.environment.home)
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("MLP_HOME")
    answer = FeatureStore("shop").features("spend_7d", USERS, at="2024-02-12")
    assert answer["spend_7d"].null_count() == 1
    with pytest.raises(StoreError, match=r"no project 'shpo' in .*workspace\.yaml\. Did you mean 'shop'\?"):
        FeatureStore("shpo")


def test_the_catalogue_has_statistics_age_and_uses(store: FeatureStore) -> None:
    entries = {entry.name: entry for entry in store.catalogue("spending")}
    assert list(entries) == FEATURES
    share = entries["spend_share"]
    assert share.columns == ("amount",)
    assert share.null_rate == 0.0
    assert share.age_seconds == (NOW - datetime(2024, 3, 4, tzinfo=UTC)).total_seconds()
    assert share.uses["endpoints"] == ("shop.score",)
    assert entries["spend_7d"].uses["features"] == ("spending.spend_share",)


WRONG: list[tuple[Any, pl.DataFrame, Any, str]] = [
    ("spnd_7d", USERS, None, "There is no feature 'spnd_7d'. Did you mean 'spend_7d'?"),
    ("spending.spend", USERS, None, "There is no feature 'spending.spend'. Did you mean 'spending.spend_"),
    ([], USERS, None, "No features are requested. Write ['view.feature']"),
    ([3], USERS, None, "3 names no feature. Write 'view.feature'"),
    ("spend_7d", USERS.rename({"user_id": "user"}), None, "no column 'user_id', a key of view 'spending'. Did you"),
    ("spend_7d", USERS.cast(pl.String), None, "is pl.String; the key of view 'spending' is pl.Int64. Write entities."),
    ("spend_7d", USERS.with_columns(spend_7d=1), None, "has a column 'spend_7d' already. Drop or rename it"),
    ("spend_7d", USERS, "yesterday", "at='yesterday' is neither a time nor a column of entities. Write one of"),
    ("spend_7d", USERS, 3, "at=3 is no time. Write a datetime"),
    ("spend_7d", USERS.with_columns(t=pl.lit("2024-01-01")), "t", "Column 't' is pl.String; it must hold times."),
    ("spend_7d", USERS.with_columns(t=pl.lit(None, pl.Date)), "t", "Column 't' has no time in 3 rows."),
    ("spend_7d", {"user_id": [1]}, None, "entities is a dict. Pass a polars.DataFrame with the key columns."),
]  # fmt: skip


@pytest.mark.parametrize(("features", "entities", "at", "message"), WRONG, ids=[case[3][:40] for case in WRONG])
def test_a_wrong_request_is_refused_with_what_to_write(
    store: FeatureStore, features: Any, entities: Any, at: Any, message: str
) -> None:
    with pytest.raises(StoreError) as caught:
        store.features(features, entities, at=at)
    assert message in str(caught.value)


def test_a_training_set_or_view_that_does_not_exist_is_refused(store: FeatureStore, home: Path) -> None:
    with pytest.raises(StoreError, match=r"no training set 'histroy'\. Did you mean 'history'\?"):
        store.training_set("histroy")
    empty = FeatureStore(store.projects[0], environment=LocalEnvironment(home))
    with pytest.raises(LakeError, match="does not exist yet"):
        empty.features("spend_7d", USERS)
    with pytest.raises(MlpError, match="is not online yet"):
        empty.online("spend_7d", USERS)
    assert [entry.statistics for entry in empty.catalogue("spend_7d")] == [None]


def test_a_feature_name_of_two_views_is_ambiguous(home: Path) -> None:
    user, orders = mlp.Entity("user", keys=["user_id"]), shop.ingested()[0]
    first, second = (
        mlp.FeatureView(name, entity=user, source=orders, features=shop.FEATURES) for name in ("one", "two")
    )
    store = FeatureStore(
        mlp.Project("twins", owner="team:t", assets=[first, second]), environment=LocalEnvironment(home)
    )
    with pytest.raises(
        StoreError, match="Several views have 'spend_7d'. Write 'twins.one.spend_7d' or 'twins.two.spend_7d'"
    ):
        store.features("spend_7d", USERS)
    with pytest.raises(StoreError, match="FeatureView 'one' is not online. Write online=True"):
        store.online(["one.spend_7d", second], USERS)
    with pytest.raises(StoreError, match="is in none of the store's projects"):
        FeatureStore(shop.make(), environment=LocalEnvironment(home)).features([first], USERS)


def test_the_store_imports_no_heavy_library() -> None:
    code = "import sys, mlp_assets.feature_store; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"dagster", "ray", "mlflow", "torch", "nannyml", "matplotlib", "pandas"} & set(loaded)


def test_no_entities_give_no_rows(store: FeatureStore) -> None:
    none = USERS.clear()
    assert store.features("spending", none).schema == {"user_id": pl.Int64, **dict.fromkeys(FEATURES, pl.Float64)}
    assert store.online("spend_7d", none).height == 0


def test_the_store_reads_features_of_used_projects(platform: Platform) -> None:
    (spending,) = platform.project.feature_views
    trend = mlp.FeatureView(
        "trend", entity=spending.entity, source=spending, every="1w", features={"best": mlp.maximum("spend_7d", "28d")}
    )
    second = mlp.Project("second", owner="team:second", assets=[trend], uses=[platform.project])
    other = Platform(second, platform.environment.home, now=lambda: NOW)
    other.run("features", tags=weeks("2024-01-01", "2024-02-26"))
    store = FeatureStore(second, environment=other.environment)
    answer = store.features(["best", "shop.spending.spend_7d"], USERS, at="2024-03-04")
    assert (answer["best"] >= answer["spend_7d"]).to_list() == [True, None, True]
    assert [entry.path for entry in store.catalogue("best")] == ["second.trend.best"]
    (week,) = store.catalogue("spending.spend_7d")
    assert week.uses["features"] == ("spending.spend_share", "trend.best")
    assert store.training_set("history").height > 0

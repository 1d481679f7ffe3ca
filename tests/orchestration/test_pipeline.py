"""From the source to the champion in real runs: tables, metadata and refusals."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.orchestration.check_names import ALIAS_AS_RECORDED
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.online.open_view import open_view
from mlp_resources.ports.lake import Table
from tests.support import shop
from tests.support.champions import WEEKS, live_version, with_champion, with_features
from tests.support.platform import Platform, check_of, failure, weeks
from tests.support.snapshots import Snapshots


@pytest.fixture
def platform(home: Path, snapshots: Snapshots) -> Platform:
    return with_features(snapshots, home)


def test_from_source_to_champion(platform: Platform) -> None:
    platform.run("online", "training_set", "candidate", "champion")
    champion = platform.environment.registry.champion("shop.comes_again")
    assert champion is not None
    assert champion.version == "1"
    shown = platform.metadata("candidate", "comes_again")
    assert shown["version"] == "1"
    assert shown["metrics"]["candidate"]["roc_auc"] > 0.6  # type: ignore[index]
    assert str(shown["performance"]).startswith("![picture](data:image/png;base64,")
    assert len(str(shown["performance"])) < 70_000
    values, _, found, _ = open_view(platform.environment.online.location("shop", "spending")).get_many([(7,), (9999,)])
    assert found.tolist() == [True, False]
    features = platform.environment.lake.scan(Table("shop", "features", "spending"))
    newest = features.filter(pl.col("user_id") == 7).sort("event_time").last().collect()
    assert tuple(values[0].tolist()) == newest.select("spend_7d", "spend_28d", "spend_share").row(0)


def test_a_refused_candidate_is_registered_but_not_promoted(home: Path, snapshots: Snapshots) -> None:
    made = with_features(snapshots, home, shop.make([mlp.AtLeast("roc_auc", 0.999)]))
    result = made.run("training_set", "candidate", "champion")
    registry, (version,) = made.environment.registry, made.environment.registry.versions("shop.comes_again")
    assert version.tags["mlp.gates"] == "refused"
    assert registry.champion("shop.comes_again") is None
    assert {event.asset_key.path[1] for event in materializations(result)} == {"training_set", "candidate"}
    check = check_of(result, "roc_auc_at_least", "candidate")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    run = made.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["mlp.refused/shop.comes_again"] == "version 1: roc_auc_at_least"
    assert [event.step_key for event in result.all_events if event.is_step_skipped] == []
    result = made.run("champion", "endpoint")
    assert materializations(result) == []
    assert [event.step_key for event in result.all_events if event.is_step_skipped] == ["shop__endpoint__score"]
    assert check_of(result, ALIAS_AS_RECORDED, "champion").passed
    assert registry.champion("shop.comes_again") is None
    registry.name_champion("shop.comes_again", "1")  # by hand: nobody promoted it
    moved = check_of(made.run("champion"), ALIAS_AS_RECORDED, "champion")
    assert not moved.passed
    assert "names version 1, and no promotion did that" in str(moved.description)


def test_after_a_refusal_the_champion_stays_and_says_so(home: Path, snapshots: Snapshots) -> None:
    made = with_champion(snapshots, home)
    stricter = Platform(shop.make([mlp.AtLeast("roc_auc", 0.999)]), home, instance=made.instance)
    stricter.run("candidate", "champion")
    shown = stricter.metadata("champion", "comes_again")
    assert (shown["version"], shown["before"]) == ("1", "1")
    assert shown["refused"] == "Version 2 of shop.comes_again did not pass roc_auc_at_least: version 1 stays."
    assert live_version(stricter) == "1"


def materializations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    return [
        event.materialization for event in result.get_asset_materialization_events() if event.is_step_materialization
    ]


def test_a_recomputation_gives_the_same_data_version(platform: Platform) -> None:
    table = Table("shop", "features", "spending")
    before = canonical_digest(platform.environment.lake.scan(table).collect())
    key = dg.AssetKey(["shop", "features", "spending"])
    platform.run("features", tags=WEEKS)
    first = platform.instance.get_latest_data_version_record(key)
    platform.run("features", tags=WEEKS)
    again = platform.instance.get_latest_data_version_record(key)
    assert canonical_digest(platform.environment.lake.scan(table).collect()) == before
    assert first is not None
    assert again is not None
    version = "dagster/data_version"
    assert first.asset_materialization.tags[version] == again.asset_materialization.tags[version]  # type: ignore[union-attr]


def test_weekly_runs_give_the_same_table_as_one_backfill(home: Path, tmp_path: Path) -> None:
    stepwise, at_once = Platform(shop.make(), tmp_path / "stepwise"), Platform(shop.make(), home)
    definition = stepwise.definitions.get_assets_def(dg.AssetKey(["shop", "source", "purchases"])).partitions_def
    assert definition is not None
    six = definition.get_partition_keys()[:6]  # two more than the longest aggregation looks back
    for week in six:
        stepwise.run("source", "features", tags={"dagster/partition": week})
    at_once.run("source", "features", tags=weeks(six[0], six[-1]))
    table = Table("shop", "features", "spending")
    both = [made.environment.lake.scan(table).collect() for made in (at_once, stepwise)]
    assert both[0].height == 6 * shop.USERS
    assert canonical_digest(both[0]) == canonical_digest(both[1])


def test_training_rows_see_only_what_was_known(platform: Platform) -> None:
    platform.run("training_set")
    rows = platform.environment.lake.scan(Table("shop", "training_set", "history")).collect()
    features = platform.environment.lake.scan(Table("shop", "features", "spending")).collect()
    joined = rows.join(features, left_on=["user_id", "at"], right_on=["user_id", "event_time"], suffix="_then")
    assert joined.height == rows.height
    assert joined.filter(pl.col("spend_28d") != pl.col("spend_28d_then")).is_empty()
    assert (
        rows.filter(pl.col("split") == "train")["known_at"].max()
        <= rows.filter(pl.col("split") == "validation")["at"].min()
    )


def test_a_training_set_shows_its_split_first_and_describes_its_columns(platform: Platform) -> None:
    platform.run("training_set")
    shown = platform.metadata("training_set", "history")
    assert next(iter(shown)) == "split"
    columns: Any = shown["dagster/column_schema"]
    described = {column.name: column.description for column in columns.columns}
    assert described["spend_28d"] == "spending: total('amount', over='28d')"
    assert described["at"] == "When the prediction is asked for."
    assert None not in described.values()


def test_every_asset_has_owner_group_description_kinds_and_code_version(home: Path) -> None:
    definitions = Platform(shop.make(), home).definitions
    specs = list(definitions.resolve_all_asset_specs())
    assert len(specs) == 15
    for spec in specs:
        assert spec.owners == ["team:shop"]
        assert spec.group_name == "shop"
        assert spec.description
        assert spec.kinds
        assert spec.code_version
    assert {sensor.name for sensor in definitions.sensors or []} == {
        "recompute_monitors",
        "retrain_on_alarm",
        "watch_aliases",
    }


def test_without_ray_the_endpoint_says_what_to_start(
    home: Path, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_PORT_RAY_DASHBOARD", "1")
    message = failure(with_champion(snapshots, home).run("endpoint", fails=True))
    assert "Ray does not answer" in message
    assert "mlp up" in message

"""The asset of a batch score: what it shows, what it depends on, and when it runs."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment
from tests.support import samples as s
from tests.support import visits
from tests.support.platform import Platform, failure, weeks

KEY = dg.AssetKey(["shop", "batch_score", "weekly_scores"])


def test_a_batch_needs_a_champion(home: Path) -> None:
    platform = Platform(visits.project, home, now=lambda: visits.FIRST)
    run = platform.run("batch_score", tags=weeks("2024-04-08", "2024-04-08"), fails=True)
    assert "shop.kinds has no champion yet" in failure(run)


def test_a_materialization_says_what_was_scored_and_by_what(built: Platform) -> None:
    shown = built.metadata("batch_score", "weekly_scores")
    assert shown["dagster/row_count"] == 6 * 54
    assert shown["model_version"] == "1"
    assert shown["rows_without_prediction"] == 0
    assert shown["unchanged_partitions"] == []
    assert set(shown["delta_versions_read"]) == {"shop/source/rows", "shop/features/spending"}  # type: ignore[call-overload]
    assert "| 2024-05-13 | 54 |" in str(shown["partitions"])
    assert "prediction_id" in str(shown["preview"])
    lineage = shown["dagster/column_lineage"].deps_by_column  # type: ignore[attr-defined]
    assert lineage["spend_28d"][0].asset_key == dg.AssetKey(["shop", "features", "spending"])
    assert lineage["mood"][0].asset_key == dg.AssetKey(["shop", "source", "rows"])


def test_the_graph_leads_from_rows_features_and_champion_to_the_scores(home: Path) -> None:
    graph = definitions_for(visits.project, environment=LocalEnvironment(home)).resolve_asset_graph()
    node = graph.get(KEY)
    names = {"/".join(parent.path) for parent in node.parent_keys}
    assert names == {"shop/source/rows", "shop/features/spending", "shop/champion/comes_champion"}
    assert node.owners == ["team:shop"]
    assert node.kinds == {"polars", "deltalake"}
    assert node.partitions_def == graph.get(dg.AssetKey(["shop", "source", "rows"])).partitions_def
    reads = graph.get_partition_mapping(KEY, dg.AssetKey(["shop", "features", "spending"]))
    assert isinstance(reads, dg.TimeWindowPartitionMapping)


@pytest.mark.parametrize(("end", "schedules"), [(None, {"shop__score_weekly": "0 2 * * 1"}), ("2024-06-03", {})])
def test_each_window_is_scored_when_it_has_ended(home: Path, end: str | None, schedules: dict[str, str]) -> None:
    rows = replace(visits.rows, end=end)
    project = mlp.Project("shop", owner="team:shop", assets=[mlp.BatchScore("weekly", model=visits.comes, rows=rows)])
    repository = definitions_for(project, environment=LocalEnvironment(home)).get_repository_def()
    found = {one.job_name: one.cron_schedule for one in repository.schedule_defs if "score" in one.job_name}
    assert found == schedules
    assert repository.has_job("shop__score_weekly")


def batch(**changes: object) -> mlp.BatchScore:
    columns = {"user_id": pl.Int64, "at": pl.Datetime, "hour": pl.Float64}
    given = {"name": "weekly", "model": s.model(training_set=s.training_set(request=["hour"]))}
    return mlp.BatchScore(**(given | {"rows": s.source(name="rows", columns=columns)} | changes))  # type: ignore[arg-type]


def rows(**columns: object) -> mlp.Source:
    return s.source(name="rows", columns={"at": pl.Datetime, "user_id": pl.Int64, "hour": pl.Float64} | columns)


def dated(name: str) -> mlp.Source:
    return s.source(
        name=name, columns={"user_id": pl.Date, "at": pl.Datetime, "amount": pl.Float64, "bought": pl.Float64}
    )


def of_dates() -> mlp.Model:
    view = s.view(source=dated("dates"))
    return s.model(training_set=s.training_set(labels=dated("labels"), features=[view]))


def test_a_batch_that_can_work_has_no_problems() -> None:
    assert batch().problems() == []
    offline = s.model(training_set=s.training_set(features=[s.view(online=False)]))
    assert batch(model=offline).problems() == []


@pytest.mark.parametrize(
    ("made", "sentences"),
    [
        (lambda: batch(rows=s.source(name="rows")), ["column 'hour' is not in Source 'rows'"]),
        (
            lambda: batch(rows=rows(user_id=pl.String)),
            ["column 'user_id' is pl.String in Source 'rows' and pl.Int64 in", "Write columns={'user_id': pl.Int64}"],
        ),
        (lambda: batch(rows=s.view()), ["rows=", "Source"]),
        (lambda: batch(name="Weekly scores"), ["'weekly_scores'"]),
        (
            lambda: batch(rows=dated("rows"), model=of_dates()),
            ["column 'user_id' is pl.Date, which a table of predictions cannot hold", "pl.Int64, pl.Float64"],
        ),
    ],
)  # fmt: skip
def test_a_batch_that_cannot_work_is_refused(made: object, sentences: list[str]) -> None:
    s.assert_refused(made, sentences)  # type: ignore[arg-type]

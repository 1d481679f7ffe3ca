"""Partitions are scored in shards, replaced in one commit each, and left alone when nothing changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.batch_scores import partition_writer
from mlp_assets.batch_scores.partition_writer import Scores, score_partitions
from mlp_assets.errors import LakeError
from mlp_assets.models.promotions import champion
from mlp_assets.orchestration.scope import Scope
from mlp_resources.compute.shards_local import LocalShards
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Table
from tests.support import visits
from tests.support.platform import Platform

WEEKS = ("2024-04-08", "2024-04-15", "2024-04-22")
CONTENT = ["at", "user_id", "prediction", "degraded", "missing_views", "partition", "per_order", "mood"]
SCORES = Table("shop", "batch_score", "weekly_scores")


def window(week: str) -> mlp.Window:
    start = datetime.fromisoformat(week).replace(tzinfo=UTC)
    return mlp.Window(start, start + timedelta(days=7))


def score(
    built: Platform, table: str, *, weeks: Sequence[str] = WEEKS, batch: mlp.BatchScore | None = None,
    environment: LocalEnvironment | None = None,
) -> Scores:  # fmt: skip
    scope = Scope(built.project, environment or built.environment)
    spec = batch or built.project.specs_of(mlp.BatchScore)[0]
    live = champion(scope, spec.model)
    assert live is not None
    windows = [(week, window(week)) for week in weeks]
    return score_partitions(scope, spec, live, Table("shop", "batch_score", table), windows, lambda _: set())


def content(built: Platform, table: str) -> pl.DataFrame:
    rows = built.environment.lake.scan(Table("shop", "batch_score", table)).filter(pl.col("partition").is_in(WEEKS))
    return rows.select(CONTENT).sort("at", "user_id").collect()


def test_many_shards_write_the_same_table(built: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_writer, "batch_bytes", lambda memory: 2_000)
    scores = score(built, "in_shards")
    assert all(scored.shards > 1 for scored in scores.partitions)
    assert content(built, "in_shards").equals(content(built, "weekly_scores"))
    assert scores.digest == score(built, "weekly_scores").digest


def test_ray_writes_the_same_table(built: Platform, ray_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_SHARDS", "ray")
    monkeypatch.setenv("RAY_ADDRESS", ray_address)
    monkeypatch.setattr(partition_writer, "batch_bytes", lambda memory: 2_000)
    scores = score(built, "on_ray", environment=LocalEnvironment(built.environment.home))
    assert scores.rows == len(WEEKS) * 54
    assert content(built, "on_ray").equals(content(built, "weekly_scores"))


def test_the_same_again_changes_nothing(built: Platform) -> None:
    first, lake = score(built, "again"), built.environment.lake
    table = Table("shop", "batch_score", "again")
    version, ids = lake.version(table), lake.scan(table).select("prediction_id").collect()
    second = score(built, "again")
    assert all(scored.unchanged for scored in second.partitions)
    assert (second.digest, second.rows) == (first.digest, first.rows)
    assert [scored.degraded for scored in second.partitions] == [scored.degraded for scored in first.partitions]
    assert lake.version(table) == version
    assert lake.scan(table).select("prediction_id").collect().equals(ids)


class BrokenOff(LocalShards):
    """Does so many shards, and then the process is lost."""

    def __init__(self, shards: int) -> None:
        super().__init__()
        self.shards = shards

    def map(self, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == self.shards:
                raise ConnectionError("lost")
            yield work(item)


def test_a_run_that_was_broken_off_goes_on_where_it_stopped(built: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_writer, "batch_bytes", lambda memory: 2_000)
    environment = LocalEnvironment(built.environment.home)
    whole = score(built, "whole")
    done = whole.partitions[0].shards + 1  # one partition, and a part of the next
    environment.__dict__["shards"] = BrokenOff(done)
    with pytest.raises(ConnectionError):
        score(built, "broken", environment=environment)
    table = Table("shop", "batch_score", "broken")
    assert environment.lake.partitions(table) == {WEEKS[0]}
    files = list(Path(environment.lake.location(table)).glob("partition=*/*.parquet"))
    assert len(files) == whole.partitions[0].shards  # what was staged of the second partition is gone
    scores = score(built, "broken")
    assert [scored.unchanged for scored in scores.partitions] == [True, False, False]
    assert scores.digest == whole.digest
    assert content(built, "broken").equals(content(built, "weekly_scores"))


def test_a_partition_without_rows_is_empty(built: Platform) -> None:
    batch = replace(built.project.specs_of(mlp.BatchScore)[0], rows=external(built, visits.read_rows(window(WEEKS[0]))))
    scores = score(built, "empty", weeks=["2024-04-01", WEEKS[0]], batch=batch)
    assert [scored.sums.rows for scored in scores.partitions] == [0, 54]
    assert built.environment.lake.partitions(Table("shop", "batch_score", "empty")) == {WEEKS[0]}


def test_missing_request_features_are_scored_as_in_training(built: Platform) -> None:
    rows = visits.read_rows(window(WEEKS[0])).with_columns(
        pl.when(pl.col("user_id") > 60).then(name).alias(name) for name in ("hour", "member", "channel", "mood")
    )
    batch = replace(built.project.specs_of(mlp.BatchScore)[0], rows=external(built, rows))
    scores = score(built, "gaps", weeks=[WEEKS[0]], batch=batch)
    assert (scores.rows, scores.partitions[0].unanswered) == (54, 0)
    found = built.environment.lake.scan(Table("shop", "batch_score", "gaps")).filter(pl.col("user_id") <= 60).collect()
    assert found.select("hour", "member", "channel", "mood").null_count().row(0) == (21,) * 4
    assert found["prediction"].is_between(0, 1).all()


def external(built: Platform, rows: pl.DataFrame) -> mlp.Source:
    """The rows as a Delta table of someone else."""
    location = str(built.environment.home / "external" / str(rows.hash_rows().sum()))
    rows.with_columns(pl.col("asked_at").cast(pl.Datetime("us", "UTC"))).write_delta(location)
    return replace(visits.rows, read=None, delta=location)


def test_features_of_the_moment_must_be_there(built: Platform) -> None:
    batch = replace(
        built.project.specs_of(mlp.BatchScore)[0], rows=external(built, visits.read_rows(window("2024-05-27")))
    )
    with pytest.raises(LakeError, match="'spending' has not computed partition 2024-05-20"):
        score(built, "too_soon", weeks=["2024-05-27"], batch=batch)


def test_rows_that_were_not_ingested_are_asked_for(built: Platform) -> None:
    with pytest.raises(LakeError, match="'rows' has not ingested partition 2024-05-20"):
        score(built, "too_soon", weeks=["2024-05-20"])

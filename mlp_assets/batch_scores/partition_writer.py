"""Scores partitions in memory-sized shards, here or on Ray, and replaces each partition in one commit."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import reduce
from operator import add
from uuid import uuid4

import polars as pl

from mlp_assets.batch_scores.published_rows import AT, PublishedRows
from mlp_assets.batch_scores.score_shard import PREVIEW, ScoredShard, ScoreWork, ShardToScore, content_sums
from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.endpoints.serving_plan import model_plan
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.definitions.trained_tables import TrainedTable, trained_tables
from mlp_assets.features.history.completeness import check_ingested
from mlp_assets.features.source_rows import raw_rows, source_table, source_versions
from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import ViewInput
from mlp_assets.nouns.source import Window
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.visibility import record_versions, row_visibility
from mlp_assets.tables.digest import RowSums
from mlp_assets.tables.events import WITHDRAWN, as_declared
from mlp_assets.tables.memory import batch_bytes
from mlp_assets.tables.sharding import shards_of
from mlp_resources.ports.lake import Table, Transaction, WriteResult
from mlp_resources.ports.registry import RegisteredVersion

Versions = Mapping[str, int | None]
Materialized = Callable[[ViewInput], Set[str]]
_ROWS_READ = 500_000


@dataclass(frozen=True)
class PartitionScores:
    """One partition's part of a run; ``unchanged`` when the table had it already, from the same inputs."""

    partition: str
    sums: RowSums
    degraded: int
    unanswered: int
    shards: int
    preview: pl.DataFrame
    written: WriteResult

    @property
    def unchanged(self) -> bool:
        return not self.written.changed


@dataclass(frozen=True)
class Scores:
    """What a run scored, and the Delta version of everything that it read."""

    partitions: tuple[PartitionScores, ...]
    versions: Versions

    @property
    def rows(self) -> int:
        return sum(scored.sums.rows for scored in self.partitions)

    @property
    def digest(self) -> str:
        return reduce(add, (scored.sums for scored in self.partitions)).digest()


def score_partitions(
    scope: Scope,
    batch: BatchScore,
    champion: RegisteredVersion,
    table: Table,
    windows: Windows,
    materialized: Materialized,
) -> Scores:
    """Scores the rows of the windows, and replaces one partition of the table after the other.

    A partition that the table has from the same champion, code and versions is left as it is, so a run that was broken
    off goes on where it stopped. Parquet has no versions: its partitions are scored again every time.

    Args:
        materialized: the partitions of a source or view that were computed at any time.

    Raises:
        LakeError: a source or view lacks a partition that the rows need.
    """
    training_set, trained = batch.model.training_set, TrainedDefinitions(scope, batch.model)
    views = trained_tables(scope, trained, training_set.features, champion.version)
    versions = source_versions(scope, [batch.rows]) | {str(each.table): each.version for each in views}
    if training_set.availability == "served":
        versions |= record_versions(scope.environment, scope.project, training_set.features)
    check_ingested(scope, [batch.rows], windows, materialized)
    work = _work(scope, batch, trained, champion, table)
    inputs = [champion.version, champion.digest, code_version(batch, batch.model.training_set.derive), versions]
    versioned = versions[str(source_table(scope, batch.rows))] is not None
    mark = _number(inputs if versioned else [*inputs, work.run])
    lake = scope.environment.lake
    before = {name: lake.transaction(table, _application(name)) or 0 for name, _ in windows}
    todo = [(name, window) for name, window in windows if before[name] != mark]
    shards = _shards(scope, batch, views, versions, todo, materialized)
    scored: dict[str, PartitionScores] = {}
    try:
        results = scope.environment.shards.map(work, [shard for own in shards.values() for shard in own])
        for name, own in shards.items():
            done = [next(results) for _ in own]
            parts = [shard.part for shard in done if shard.part.rows]
            step = Transaction(_application(name), mark, before[name])
            written = lake.publish_partition(table, name, parts, work.schema, step)
            if written.changed:  # otherwise another run wrote the partition meanwhile, and its rows count
                scored[name] = _summary(done, written)
    finally:
        lake.unstage(table, work.run)
    return Scores(tuple(scored.get(name) or _stored(work, name) for name, _ in windows), versions)


def _work(
    scope: Scope, batch: BatchScore, trained: TrainedDefinitions, champion: RegisteredVersion, table: Table
) -> ScoreWork:
    artifact, then = scope.environment.registry.artifact(champion), trained.model(champion.version)
    plan = model_plan(scope, batch.model, batch.name, champion.version, artifact, champion.digest, then)
    derived, now = dict(then.training_set.derived), scope.environment.now().isoformat()
    run = f"part-{uuid4().hex[:12]}"
    return ScoreWork(ModelPlan.from_json(plan), derived, scope.environment.lake, table, now, run)


def _shards(
    scope: Scope,
    batch: BatchScore,
    tables: Sequence[TrainedTable],
    versions: Versions,
    windows: Windows,
    materialized: Materialized,
) -> dict[str, list[ShardToScore]]:
    """Partition -> its shards, each of at most the bytes that a worker's memory allows; one for no rows."""
    most = batch_bytes(scope.environment.shards.memory()) if windows else 0
    training_set = batch.model.training_set
    views = [_published(scope, training_set, each, versions) for each in tables] if windows else []
    shards: dict[str, list[ShardToScore]] = {}
    for name, window in windows:
        rows = _rows(scope, batch, versions, name, window)
        first, last = rows.select(first=pl.col(AT).min(), last=pl.col(AT).max()).collect(engine="streaming").row(0)
        seen = tuple(view.between(first, last) if first is not None else view for view in views)
        if first is not None:
            _check_features(scope, batch, name, Window(first, last), materialized)
        keys = batch.model.training_set.keys
        cuts = shards_of(rows, AT, keys, [view.table for view in seen], most)
        shards[name] = [ShardToScore(name, rows, seen, cut) for cut in cuts]
    return shards


def _published(scope: Scope, training_set: TrainingSet, read: TrainedTable, versions: Versions) -> PublishedRows:
    visible = row_visibility(scope.environment, scope.project, read.view, training_set.availability, versions)
    rows = scope.environment.lake.scan(read.table, read.version)
    return PublishedRows.of(read.spec, rows, read.version or 0, visible)


def _rows(scope: Scope, batch: BatchScore, versions: Versions, name: str, window: Window) -> pl.LazyFrame:
    """The rows of one partition: keys, ``at`` and request columns; without those withdrawn or without a time."""
    source = batch.rows
    raw = raw_rows(scope, source, versions[str(source_table(scope, source))])
    declared = as_declared(source, raw.filter(pl.col("partition") == name) if source.ingested else raw)
    if not source.ingested:
        declared = declared.filter(window.holds("known_at"))
    if WITHDRAWN in declared.collect_schema():
        declared = declared.filter(pl.col(WITHDRAWN).is_null())
    time = pl.col(source.event_time)
    keys, request = batch.model.training_set.keys, batch.model.training_set.request
    return declared.filter(time.is_not_null()).select(*keys, time.alias(AT), *request)


def _check_features(scope: Scope, batch: BatchScore, name: str, asked: Window, materialized: Materialized) -> None:
    """Raises LakeError where a view lacks a moment that the rows asked within this time would see first."""
    for view in batch.model.training_set.features:
        needed = Window(asked.start - 2 * duration(view.every), asked.end)
        check_ingested(scope, [view], [(name, needed)], materialized)


def _summary(done: Sequence[ScoredShard], written: WriteResult) -> PartitionScores:
    return PartitionScores(
        done[0].partition,
        reduce(add, (shard.sums for shard in done)),
        sum(shard.degraded for shard in done),
        sum(shard.unanswered for shard in done),
        len(done),
        pl.concat([shard.preview for shard in done]).head(PREVIEW),
        written,
    )


def _stored(work: ScoreWork, name: str) -> PartitionScores:
    """The scores of a partition that the table has already, read batch by batch."""
    rows = work.lake.scan(work.table).filter(pl.col("partition") == name).select(work.schema.names())
    sums, degraded, unanswered = content_sums(pl.DataFrame(schema=work.schema)), 0, 0
    for frame in rows.collect_batches(chunk_size=_ROWS_READ):
        sums += content_sums(frame)
        degraded += int(frame["degraded"].sum())
        unanswered += frame["prediction"].null_count()
    version = work.lake.version(work.table) or 0
    preview = rows.head(PREVIEW).collect()
    return PartitionScores(name, sums, degraded, unanswered, 0, preview, WriteResult(version, changed=False, bytes=0))


def _application(partition: str) -> str:
    return f"partition:{partition}"


def _number(inputs: object) -> int:
    """The number of a transaction that stands for the inputs; never 0, which stands for no transaction."""
    text = json.dumps(inputs, sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16) + 1

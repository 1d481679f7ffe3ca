"""Scores one shard of a partition by the endpoint's own code: plain data, so that another process can do it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

import polars as pl

from mlp_assets.batch_scores.published_rows import AT, PublishedRows
from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.endpoints.replica.prediction_log import log_schema, prediction_entry, prediction_rows
from mlp_assets.endpoints.replica.predictor import Predictor
from mlp_assets.endpoints.replica.row_features import FeatureAssembler
from mlp_assets.metrics.classes import finite
from mlp_assets.tables.as_of_join import join_frame_as_visible
from mlp_assets.tables.digest import RowSums, row_sums
from mlp_assets.tables.sharding import Shard
from mlp_resources.ports.lake import Lake, Part, Table

# Rows that stand as Python values at a time, on their way through the request's code.
_ROWS_AT_ONCE = 10_000
PREVIEW = 5
# Columns that say how a row was scored, not what came out: an identical recomputation has other ones.
_NOT_CONTENT = ("prediction_id", "requested_at", "view_versions", "partition")


@dataclass(frozen=True)
class ShardToScore:
    """Rows of one partition: keys, ``at`` and request columns, and what they may see of each view."""

    partition: str
    rows: pl.LazyFrame
    views: tuple[PublishedRows, ...]
    shard: Shard


@dataclass(frozen=True)
class ScoredShard:
    """What was written. ``unanswered`` rows have no finite prediction; ``degraded`` ones lack a view's features."""

    partition: str
    part: Part
    sums: RowSums
    degraded: int
    unanswered: int
    preview: pl.DataFrame


@dataclass(frozen=True)
class ScoreWork:
    """Joins, scores and stages one shard.

    Args:
        derived: derived features of the training set, as expressions.
        requested_at: ISO time of the run.
        run: the beginning of the names of its staged parts.
    """

    plan: ModelPlan
    derived: Mapping[str, pl.Expr]
    lake: Lake
    table: Table
    requested_at: str
    run: str

    def __call__(self, shard: ShardToScore) -> ScoredShard:
        scored = self.score(shard)
        part = self.lake.stage(self.table, scored, f"{self.run}-{uuid4().hex}", shard.partition)
        preview = pl.DataFrame(scored.head(PREVIEW).rows(), schema=scored.schema, orient="row")  # a slice holds all
        degraded, unanswered = int(scored["degraded"].sum()), scored["prediction"].null_count()
        return ScoredShard(shard.partition, part, content_sums(scored), degraded, unanswered, preview)

    @property
    def schema(self) -> pl.Schema:
        """The columns that are written: those of the prediction log, but for ``partition``, which is in the path."""
        return pl.Schema({name: kind for name, kind in log_schema(self.plan).items() if name != "partition"})

    @cached_property
    def _predictor(self) -> Predictor:
        """Loaded where the work is done, once for all shards that one process does."""
        return Predictor(self.plan)

    def score(self, shard: ShardToScore) -> pl.DataFrame:
        """The rows of the prediction log, without ``partition``, sorted by time and keys."""
        asked = shard.shard.filter(shard.rows).collect(engine="streaming")
        order = [AT, *self.plan.keys]
        asked = asked.sort(*order, *(name for name in asked.columns if name not in order))
        joined = join_frame_as_visible(asked, AT, [view.table for view in shard.views], narrowed=True)
        assembler = FeatureAssembler(self.plan, self.derived)
        frames = [
            self._score_rows(joined.slice(start, _ROWS_AT_ONCE), shard.views, assembler)
            for start in range(0, joined.height, _ROWS_AT_ONCE)
        ]
        return pl.concat([pl.DataFrame(schema=self.schema), *frames])

    def _score_rows(
        self, joined: pl.DataFrame, views: tuple[PublishedRows, ...], assembler: FeatureAssembler
    ) -> pl.DataFrame:
        columns = {name: joined[name].to_list() for name in self.plan.columns}
        features = assembler.rows({view.plan.name: view.read(joined) for view in views}, columns, joined.height)
        predicted = self._predictor(columns, features)
        answers = self._predictor.classes.answers(predicted)
        call = uuid4().hex
        ids = [f"{call}-{row}" for row in range(joined.height)]
        times = (self.requested_at, self.requested_at)  # `at` follows: each row has its own
        entry = prediction_entry(self.plan, ids, times, columns, features, answers)
        answered = pl.Series(finite(predicted))
        named = [pl.when(answered).then(pl.col(name)).alias(name) for name in answers]
        return prediction_rows(entry).with_columns(joined[AT], *named).drop("partition")


def content_sums(scored: pl.DataFrame) -> RowSums:
    """The part of the data version that these rows are."""
    return row_sums(scored.drop(_NOT_CONTENT, strict=False))

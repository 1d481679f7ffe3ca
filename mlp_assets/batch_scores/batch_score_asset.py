"""BatchScore -> a partitioned table of predictions, its job, and its schedule."""

from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.batch_scores.partition_writer import Scores, score_partitions
from mlp_assets.errors import MlpError
from mlp_assets.models.promotions import champion
from mlp_assets.nouns.batch_score import BatchScore
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.history_checks import materialized_partitions
from mlp_assets.orchestration.metadata import column_lineage, column_schema, markdown_table, measured
from mlp_assets.orchestration.partitions import BY_PARTITION, input_dep, partitions_of, windows_of
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import RegisteredVersion

# The job of a cadence begins at 0 or 1 o'clock; the rows and features of the window are there before scoring begins.
_HOUR = 2


def batch_score_asset(scope: Scope, batch: BatchScore) -> dg.AssetsDefinition:
    """The asset of a batch score, partitioned like the source that it scores."""
    key, model = keys.batch_score(scope.project.name, batch), batch.model
    rows = input_dep(keys.source(scope.home(batch.rows), batch.rows), batch.rows)
    views = [input_dep(keys.features(scope.home(view), view), view) for view in model.training_set.features]

    @scope.asset(
        key=key,
        deps=[rows, *views, keys.champion(scope.home(model), model)],
        partitions_def=partitions_of(batch.rows, batch.rows.every, whole=True),
        backfill_policy=BY_PARTITION,
        spec=batch,
        kinds=["polars", "deltalake"],
        what=f"Predictions of {model.name} for the rows of {batch.rows.name}.",
        functions=[model.training_set.derive],
    )
    def score(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        materialized = materialized_partitions(scope, context.instance)
        with measured() as cost:
            live = champion(scope, model)
            if live is None:
                name = keys.registered_model(scope.home(model), model)
                raise MlpError(f"{name} has no champion yet. Materialize its candidate and champion first.")
            scores = score_partitions(scope, batch, live, keys.table(key), windows_of(context), materialized)
        return dg.MaterializeResult(
            metadata=_metadata(scope, batch, live, scores) | cost.shown,
            data_version=dg.DataVersion(scores.digest[:16]),
        )

    return score


def batch_score_jobs(project: Project) -> tuple[list[Any], list[Any]]:
    """Jobs that score partitions, one a batch score; and schedules, for sources that go on."""
    batches = project.specs_of(BatchScore)
    jobs = [_job(project, batch) for batch in batches]
    return jobs, [_schedule(job) for job, batch in zip(jobs, batches, strict=True) if batch.rows.end is None]


def _job(project: Project, batch: BatchScore) -> Any:
    """A backfill in the web UI launches it."""
    return dg.define_asset_job(
        f"{project.name}__score_{batch.name}",
        dg.AssetSelection.assets(keys.batch_score(project.name, batch)),
        description=f"Scores the rows of {batch.rows.name} by the champion of {batch.model.name}.",
    )


def _schedule(job: Any) -> Any:
    return dg.build_schedule_from_partitioned_job(
        job,
        hour_of_day=_HOUR,
        minute_of_hour=0,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Scores the rows of the window that has just ended.",
    )


def _metadata(scope: Scope, batch: BatchScore, live: RegisteredVersion, scores: Scores) -> dict[str, Any]:
    newest = scores.partitions[-1]
    return {
        "dagster/row_count": scores.rows,
        "degraded_rows": sum(scored.degraded for scored in scores.partitions),
        "rows_without_prediction": sum(scored.unanswered for scored in scores.partitions),
        "bytes": sum(scored.written.bytes for scored in scores.partitions),
        "shards": sum(scored.shards for scored in scores.partitions),
        "unchanged_partitions": [scored.partition for scored in scores.partitions if scored.unchanged],
        "model_version": live.version,
        "artifact_digest": live.digest,
        "mlflow": dg.MetadataValue.url(scope.environment.registry.url(live)),
        "delta_version": max(scored.written.version for scored in scores.partitions),
        "delta_versions_read": dg.MetadataValue.json(dict(scores.versions)),
        "dagster/column_schema": column_schema(newest.preview.schema),
        "dagster/column_lineage": _lineage(scope, batch),
        "partitions": dg.MetadataValue.md(markdown_table(_by_partition(scores))),
        "preview": dg.MetadataValue.md(markdown_table(newest.preview)),
    }


def _by_partition(scores: Scores) -> pl.DataFrame:
    """The newest partitions of the run, as a table for people."""
    return pl.DataFrame(
        [
            {"partition": scored.partition, "rows": scored.sums.rows, "degraded": scored.degraded}
            for scored in scores.partitions[-10:]
        ]
    )


def _lineage(scope: Scope, batch: BatchScore) -> dg.TableColumnLineage:
    source = keys.source(scope.home(batch.rows), batch.rows)
    origins = {name: [(source, name)] for name in batch.columns} | {"at": [(source, batch.rows.event_time)]}
    for view in batch.model.training_set.features:
        origins |= {name: [(keys.features(scope.home(view), view), name)] for name in view.feature_names}
    return column_lineage(origins)

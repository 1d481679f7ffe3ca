"""Monitor -> drift, estimated performance, realised performance, and the alarms that follow from them."""

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
import polars as pl

from mlp_assets.metrics.window_figures import no_figures
from mlp_assets.monitors.alarm_asset import alarms_asset
from mlp_assets.monitors.compute.pictures import drift_picture, performance_picture
from mlp_assets.monitors.compute.quality import quality_figures
from mlp_assets.monitors.compute.realised import realised_figures
from mlp_assets.monitors.labelled_predictions import feedback_without_prediction, join_labels, labels_left_out
from mlp_assets.monitors.watched_rows import Versions, WatchedVersion, pin_versions, watched_versions
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import markdown_table, measured, picture, table_metadata
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.digest import canonical_digest

_PREVIEW_ROWS = 8
_Computed = tuple[pl.DataFrame, int]
"""Figures, and how many predictions were left out of them because several labels may be meant."""
_SEVERAL_LABELS = (
    "These predictions have the keys of several labels, and nothing says which one answers them. They are left out. "
    "Send feedback with their prediction_id, ask with the label's own time as `at`, or give the training set an "
    "entity=... whose keys identify the question."
)


def monitor_assets(scope: Scope, monitor: Monitor) -> list[dg.AssetsDefinition]:
    """The four assets of a monitor: three tables of figures by window, and the alarms."""
    project, endpoint, model = scope.project.name, monitor.watches, monitor.watches.model
    metric, home = model.task_kind.estimated_metric, scope.home(endpoint)
    predictions, feedback = keys.predictions(home, endpoint), keys.feedback(home, endpoint)
    reference = keys.training_set(scope.home(model.training_set), model.training_set)
    labels = keys.source(scope.home(model.training_set.labels), model.training_set.labels)
    figures = [
        _Figures(
            key=keys.drift(project, monitor),
            what="The distance of each input from the reference, and its shares of missing and out-of-range values.",
            reads=[predictions, reference],
            compute=_drift,
            draw=drift_picture,
        ),
        _Figures(
            key=keys.estimated_performance(project, monitor),
            what="Performance, estimated before labels arrive.",
            reads=[predictions, reference],
            compute=_estimated,
            draw=lambda rows: performance_picture(rows, f"estimated_{metric}"),
        ),
        _Figures(
            key=keys.realised_performance(project, monitor),
            what="Performance of the predictions whose label is known.",
            reads=[predictions, reference, labels, feedback],
            compute=_realised,
            draw=lambda rows: performance_picture(rows, f"realised_{metric}"),
            labelled=True,
        ),
    ]
    return [*(_figures_asset(scope, monitor, table) for table in figures), alarms_asset(scope, monitor)]


@dataclass(frozen=True, kw_only=True)
class _Figures:
    """One table of figures: how it is computed and drawn, and whether that needs labels."""

    key: dg.AssetKey
    what: str
    reads: list[dg.AssetKey]
    compute: Callable[[Scope, Monitor, WatchedVersion, Versions], _Computed]
    draw: Callable[[pl.DataFrame], bytes]
    labelled: bool = False


def _figures_asset(scope: Scope, monitor: Monitor, figures: _Figures) -> dg.AssetsDefinition:
    @scope.asset(key=figures.key, deps=figures.reads, spec=monitor, kinds=["nannyml", "deltalake"], what=figures.what)
    def watch() -> dg.MaterializeResult:
        with measured() as cost:
            versions = pin_versions(scope, monitor, labelled=figures.labelled)
            parts = [no_figures().with_columns(model_version=pl.lit(""))]
            references: dict[str, list[int]] = {}
            several = 0
            for watched in watched_versions(scope, monitor, versions):
                part, ambiguous = figures.compute(scope, monitor, watched, versions)
                several += ambiguous
                parts.append(part.with_columns(model_version=pl.lit(watched.version)))
                references.setdefault(watched.reference_table, []).append(watched.reference_version)
            rows = pl.concat(parts).sort("window", "feature", "method")
            written = scope.environment.lake.replace(keys.table(figures.key), rows)
            left_out = labels_left_out(scope, monitor, versions) if figures.labelled else {}
            unknown = feedback_without_prediction(scope, monitor, versions) if figures.labelled else 0
        newest = rows.filter(pl.col("window") == pl.col("window").max()).head(_PREVIEW_ROWS)
        metadata = {"picture": picture(figures.draw(rows))} if rows.height else {}
        metadata |= table_metadata(rows, written, {**versions, **references}) | {
            "windows": rows["window"].n_unique(),
            "preview": dg.MetadataValue.md(markdown_table(newest)),
        }
        metadata |= {"predictions_with_several_labels": several, "what_to_do": _SEVERAL_LABELS} if several else {}
        metadata |= {"feedback_without_prediction": unknown} if unknown else {}
        metadata |= {"labels_left_out": dg.MetadataValue.json(left_out)} if left_out else {}
        digest = canonical_digest(rows)[:16]
        return dg.MaterializeResult(metadata=metadata | cost.shown, data_version=dg.DataVersion(digest))

    return watch


def _drift(scope: Scope, monitor: Monitor, watched: WatchedVersion, versions: Versions) -> _Computed:
    features = list(watched.features)
    task = monitor.watches.model.task_kind
    as_text = [pl.col("prediction").cast(pl.String)] if task.many_classes else []  # classes may be numbers
    drift = scope.environment.monitoring.drift(
        watched.reference.with_columns(as_text),
        watched.windows.with_columns(as_text),
        features=[*features, *watched.categories, *task.answer_columns],
        minimum_rows=monitor.minimum_rows,
    )
    quality = quality_figures(
        watched.reference, watched.windows, [*features, *watched.categories], minimum_rows=monitor.minimum_rows
    )
    return pl.concat([drift, quality]), 0


def _estimated(scope: Scope, monitor: Monitor, watched: WatchedVersion, versions: Versions) -> _Computed:
    model = monitor.watches.model
    figures = scope.environment.monitoring.estimate(
        watched.reference,
        watched.windows,
        task=model.task_kind,
        target=model.training_set.target,
        features=list(watched.features),
        minimum_rows=monitor.minimum_rows,
    )
    return figures, 0


def _realised(scope: Scope, monitor: Monitor, watched: WatchedVersion, versions: Versions) -> _Computed:
    model = monitor.watches.model
    labelled = join_labels(scope, monitor, watched.windows, versions)
    if labelled.rows.is_empty():
        return no_figures(), labelled.ambiguous
    target = model.training_set.target
    figures = realised_figures(
        watched.reference.select("window", "prediction", target).collect(),
        labelled.rows,
        task=model.task_kind,
        target=target,
        minimum_rows=monitor.minimum_rows,
    )
    return figures, labelled.ambiguous

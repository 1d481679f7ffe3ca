"""Monitor -> drift, estimated performance and realised performance; the alarms follow from them."""

from collections.abc import Callable

import dagster as dg
import polars as pl

from mlp_assets.metrics.window_figures import empty
from mlp_assets.monitors.alarm_asset import alarms_asset
from mlp_assets.monitors.compute.pictures import drift_picture, performance_picture
from mlp_assets.monitors.compute.quality import quality
from mlp_assets.monitors.compute.realised import realised
from mlp_assets.monitors.watched_rows import Observed, Versions, observed, versions_now, with_labels
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import markdown_table, measured, picture, table_metadata
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.digest import canonical_digest

_SHOWN = 8


def monitor_assets(scope: Scope, monitor: Monitor) -> list[dg.AssetsDefinition]:
    """The four assets of a monitor: three tables of figures by window, and the alarms."""
    project, endpoint, model = scope.project.name, monitor.watches, monitor.watches.model
    metric, home = model.task_kind.estimated_metric, scope.home(endpoint)
    predictions, feedback = keys.predictions(home, endpoint), keys.feedback(home, endpoint)
    reference = keys.training_set(scope.home(model.training_set), model.training_set)
    labels = keys.source(scope.home(model.training_set.labels), model.training_set.labels)
    drift = _figures(
        scope, monitor, keys.drift(project, monitor), [predictions, reference], _drift, drift_picture,
        "How far each input lies from the reference, and how much of it is missing or out of range.",
    )  # fmt: skip
    estimated = _figures(
        scope, monitor, keys.estimated_performance(project, monitor), [predictions, reference], _estimated,
        lambda rows: performance_picture(rows, f"estimated_{metric}"),
        "Performance as estimated before labels are in.",
    )  # fmt: skip
    realised_ = _figures(
        scope, monitor, keys.realised_performance(project, monitor), [predictions, reference, labels, feedback],
        _realised, lambda rows: performance_picture(rows, f"realised_{metric}"),
        "Performance of the predictions whose outcome is known.",
    )  # fmt: skip
    return [drift, estimated, realised_, alarms_asset(scope, monitor)]


def _figures(
    scope: Scope,
    monitor: Monitor,
    key: dg.AssetKey,
    deps: list[dg.AssetKey],
    figures: Callable[[Scope, Monitor, Observed, Versions], pl.DataFrame],
    draw: Callable[[pl.DataFrame], bytes],
    what: str,
) -> dg.AssetsDefinition:
    @scope.asset(key=key, deps=deps, spec=monitor, kinds=["nannyml", "deltalake"], what=what)
    def watch() -> dg.MaterializeResult:
        with measured() as cost:
            versions = versions_now(scope, monitor, labelled=figures is _realised)
            parts = [empty().with_columns(model_version=pl.lit(""))]
            references: dict[str, list[int]] = {}
            for seen in observed(scope, monitor, versions):
                parts.append(figures(scope, monitor, seen, versions).with_columns(model_version=pl.lit(seen.version)))
                references.setdefault(seen.reference_table, []).append(seen.reference_version)
            rows = pl.concat(parts).sort("window", "feature", "method")
            written = scope.environment.lake.replace(keys.table(key), rows)
        newest = rows.filter(pl.col("window") == pl.col("window").max()).head(_SHOWN)
        shown = {"picture": picture(draw(rows))} if rows.height else {}
        shown |= table_metadata(rows, written, {**versions, **references}) | {
            "windows": rows["window"].n_unique(),
            "preview": dg.MetadataValue.md(markdown_table(newest)),
        }
        digest = canonical_digest(rows)[:16]
        return dg.MaterializeResult(metadata=shown | cost.shown, data_version=dg.DataVersion(digest))

    return watch


def _drift(scope: Scope, monitor: Monitor, seen: Observed, versions: Versions) -> pl.DataFrame:
    features = list(seen.features)
    task = monitor.watches.model.task_kind
    named = [pl.col("prediction").cast(pl.String)] if task.many_classes else []  # classes that are numbers too
    drifted = scope.environment.monitoring.drift(
        seen.reference.with_columns(named),
        seen.windows.with_columns(named),
        features=[*features, *seen.categories, *task.answer_columns],
        minimum_rows=monitor.minimum_rows,
    )
    return pl.concat([drifted, quality(seen.reference, seen.windows, features, minimum_rows=monitor.minimum_rows)])


def _estimated(scope: Scope, monitor: Monitor, seen: Observed, versions: Versions) -> pl.DataFrame:
    model = monitor.watches.model
    return scope.environment.monitoring.estimate(
        seen.reference,
        seen.windows,
        task=model.task_kind,
        target=model.training_set.target,
        features=list(seen.features),
        minimum_rows=monitor.minimum_rows,
    )


def _realised(scope: Scope, monitor: Monitor, seen: Observed, versions: Versions) -> pl.DataFrame:
    model = monitor.watches.model
    labelled = with_labels(scope, monitor, seen.windows, versions)
    if labelled.is_empty():
        return empty()
    target = model.training_set.target
    return realised(seen.reference, labelled, task=model.task_kind, target=target, minimum_rows=monitor.minimum_rows)

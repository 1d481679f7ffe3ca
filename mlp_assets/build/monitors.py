"""Monitor -> drift, estimated performance, realised performance, and the alarms that follow from them."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.build import keys
from mlp_assets.build.common import Scope
from mlp_assets.build.metadata import markdown_table, measured, picture
from mlp_assets.build.observed import Observed, observed, versions_by_window, with_labels
from mlp_assets.engine import alarms as rules
from mlp_assets.engine.digest import canonical_digest
from mlp_assets.engine.monitor_pictures import alarms_picture, drift_picture, performance_picture
from mlp_assets.engine.monitor_rows import empty
from mlp_assets.engine.quality import quality
from mlp_assets.engine.realised import realised
from mlp_assets.spec.monitor import Monitor

_METRIC = {"binary": "roc_auc", "regression": "mae"}
_SHOWN = 8


def monitor_assets(scope: Scope, monitor: Monitor) -> list[dg.AssetsDefinition]:
    """The four assets of a monitor: three tables of figures by window, and the alarms."""
    project, model = scope.project.name, monitor.watches.model
    metric = _METRIC[model.task]
    predictions = keys.predictions(scope.home(monitor.watches), monitor.watches)
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
        scope, monitor, keys.realised_performance(project, monitor), [predictions, reference, labels], _realised,
        lambda rows: performance_picture(rows, f"realised_{metric}"),
        "Performance of the predictions whose outcome is known.",
    )  # fmt: skip
    return [drift, estimated, realised_, _alarms(scope, monitor)]


def _figures(
    scope: Scope,
    monitor: Monitor,
    key: dg.AssetKey,
    deps: list[dg.AssetKey],
    figures: Callable[[Scope, Monitor, Observed], pl.DataFrame],
    draw: Callable[[pl.DataFrame], bytes],
    what: str,
) -> dg.AssetsDefinition:
    @scope.asset(key=key, deps=deps, spec=monitor, kinds=["nannyml", "deltalake"], what=what)
    def watch() -> dg.MaterializeResult:
        with measured() as cost:
            read = {str(keys.table(dep)): scope.environment.lake.version(keys.table(dep)) for dep in deps}
            parts = [
                figures(scope, monitor, seen).with_columns(model_version=pl.lit(seen.version))
                for seen in observed(scope, monitor)
            ]
            rows = pl.concat(parts).sort("window", "feature", "method")
            written = scope.environment.lake.replace(keys.table(key), rows)
        newest = rows.filter(pl.col("window") == pl.col("window").max()).head(_SHOWN)
        shown: dict[str, Any] = {
            "windows": rows["window"].n_unique(),
            "dagster/row_count": rows.height,
            "bytes": written.bytes,
            "delta_version": written.version,
            "delta_versions_read": dg.MetadataValue.json(read),
            "newest": dg.MetadataValue.md(markdown_table(newest)),
        }
        if rows.height:
            shown["picture"] = picture(draw(rows))
        digest = canonical_digest(rows)[:16]
        return dg.MaterializeResult(metadata=shown | cost.shown, data_version=dg.DataVersion(digest))

    return watch


def _drift(scope: Scope, monitor: Monitor, seen: Observed) -> pl.DataFrame:
    features = list(monitor.watches.model.training_set.feature_names)
    drifted = scope.environment.monitoring.drift(
        seen.reference, seen.windows, features=[*features, "prediction"], minimum_rows=monitor.minimum_rows
    )
    return pl.concat([drifted, quality(seen.reference, seen.windows, features, minimum_rows=monitor.minimum_rows)])


def _estimated(scope: Scope, monitor: Monitor, seen: Observed) -> pl.DataFrame:
    model = monitor.watches.model
    return scope.environment.monitoring.estimate(
        seen.reference,
        seen.windows,
        task=model.task,
        target=model.training_set.target,
        features=list(model.training_set.feature_names),
        minimum_rows=monitor.minimum_rows,
    )


def _realised(scope: Scope, monitor: Monitor, seen: Observed) -> pl.DataFrame:
    model = monitor.watches.model
    labelled = with_labels(scope, monitor, seen.windows)
    if labelled.is_empty():
        return empty()
    target = model.training_set.target
    return realised(seen.reference, labelled, task=model.task, target=target, minimum_rows=monitor.minimum_rows)


def _alarms(scope: Scope, monitor: Monitor) -> dg.AssetsDefinition:
    project = scope.project.name
    key = keys.alarms(project, monitor)
    figures = [
        keys.drift(project, monitor),
        keys.estimated_performance(project, monitor),
        keys.realised_performance(project, monitor),
    ]

    @scope.asset(
        key=key,
        deps=figures,
        check_specs=[dg.AssetCheckSpec("calm", asset=key, description="No alarm episode is open.")],
        spec=monitor,
        kinds=["polars", "deltalake"],
        what="Which windows alarm, and the episodes that they form.",
    )
    def alarm() -> dg.MaterializeResult:
        with measured() as cost:
            rows = pl.concat([scope.environment.lake.scan(keys.table(figure)).collect() for figure in figures])
            judged = [(rule, rules.judge(rule, rows)) for rule in monitor.alarms]
            states = rules.combine(judged, versions_by_window(scope, monitor))
            found = rules.episodes(f"{project}.{monitor.name}", states, calm=monitor.calm)
            table = rules.windows_table(states, found)
            written = scope.environment.lake.replace(keys.table(key), table)
        newest = found[-1] if found else None
        return dg.MaterializeResult(
            metadata=_alarm_facts(newest, table)
            | {"episodes": len(found), "delta_version": written.version}
            | cost.shown,
            data_version=dg.DataVersion(
                f"{newest.id}:{newest.last_window}:{newest.open}" if newest is not None else "calm"
            ),
            check_results=[_calm(newest)],
        )

    return alarm


def _alarm_facts(newest: rules.Episode | None, table: pl.DataFrame) -> dict[str, Any]:
    shown = table.tail(_SHOWN).select("window", "model_version", "alarm", "told")
    return {
        "episode_open": newest is not None and newest.open,
        "episode": newest.id if newest is not None else "",
        "told": newest.sentence if newest is not None else "",
        "windows": dg.MetadataValue.md(markdown_table(shown)) if table.height else "",
    } | ({"picture": picture(alarms_picture(table))} if table.height else {})


def _calm(newest: rules.Episode | None) -> dg.AssetCheckResult:
    open_one = newest if newest is not None and newest.open else None
    return dg.AssetCheckResult(
        passed=open_one is None,
        check_name="calm",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"told": open_one.sentence if open_one is not None else "calm"},
    )

"""What a monitor looks at: the predictions by window, and the reference of the version that made them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from mlp_assets.build import keys
from mlp_assets.build.common import Scope
from mlp_assets.build.sources import source_rows
from mlp_assets.engine.artifact import load_scorer
from mlp_assets.spec.endpoint import Endpoint
from mlp_assets.spec.errors import LakeError
from mlp_assets.spec.monitor import Monitor
from mlp_assets.spec.words import duration, moment
from mlp_resources.ports import Table


@dataclass(frozen=True)
class Observed:
    """The windows that one version of the model served, and its reference. Both have ``window`` and ``prediction``."""

    version: str
    windows: pl.DataFrame
    reference: pl.DataFrame


def observed(scope: Scope, monitor: Monitor) -> Iterator[Observed]:
    """One for each version, oldest first. A window belongs to the version that made its last prediction."""
    predictions = with_window(monitor, prediction_rows(scope, monitor.watches))
    by_window = versions_by_window(scope, monitor)
    for version in sorted(set(by_window.values()), key=int):
        served = [window for window, last in by_window.items() if last == version]
        theirs = pl.col("window").is_in(served) & (pl.col("model_version") == version)
        yield Observed(version, predictions.filter(theirs).collect(), _reference(scope, monitor, version))


def prediction_rows(scope: Scope, endpoint: Endpoint) -> pl.LazyFrame:
    """Every drained prediction. Raises LakeError when there is none yet."""
    table = predictions_table(scope, endpoint)
    if scope.environment.lake.version(table) is None:
        raise LakeError(f"{endpoint.where} has no predictions yet. Send it requests, then materialize its predictions.")
    return scope.environment.lake.scan(table)


def predictions_table(scope: Scope, endpoint: Endpoint) -> Table:
    return keys.table(keys.predictions(scope.home(endpoint), endpoint))


def with_window(monitor: Monitor, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``window``: the day on which the row's window starts, counted from the start of the labels' history."""
    every = duration(monitor.every) // timedelta(microseconds=1)
    start = pl.lit(moment(monitor.watches.model.training_set.labels.start))
    passed = (pl.col("at") - start).dt.total_microseconds() // every * every
    return rows.with_columns(window=(start + pl.duration(microseconds=passed)).dt.to_string("%Y-%m-%d"))


def with_labels(scope: Scope, monitor: Monitor, rows: pl.DataFrame) -> pl.DataFrame:
    """The predictions whose outcome is known: from the labels' table, or as callers told."""
    training_set = monitor.watches.model.training_set
    target, labels = training_set.target, training_set.labels
    known = source_rows(scope, labels).select(*training_set.keys, pl.col(labels.event_time).alias("at"), target)
    joined = rows.drop(target, strict=False).join(known.collect(), on=[*training_set.keys, "at"], how="left")
    table = keys.table(keys.feedback(scope.home(monitor.watches), monitor.watches))
    if scope.environment.lake.version(table) is not None:
        told = scope.environment.lake.scan(table).sort("known_at").unique("prediction_id", keep="last").collect()
        joined = joined.join(told.select("prediction_id", "label"), on="prediction_id", how="left")
        joined = joined.with_columns(pl.coalesce("label", target).alias(target)).drop("label")
    return joined.filter(pl.col(target).is_not_null())


def _reference(scope: Scope, monitor: Monitor, version: str) -> pl.DataFrame:
    """The newest labelled windows of the version's training set, as that version scores them."""
    model = monitor.watches.model
    registry, name = scope.environment.registry, keys.registered_model(scope.home(model), model)
    tags = {found.version: found.tags for found in registry.versions(name)}[version]
    table = keys.table(keys.training_set(scope.home(model.training_set), model.training_set))
    rows = scope.environment.lake.scan(table, json.loads(tags["mlp.training_set"])[str(table)])
    windowed = with_window(monitor, rows)
    newest = windowed.select("window").unique().sort("window").tail(monitor.reference_windows).collect()
    kept = windowed.filter(pl.col("window").is_in(newest["window"].to_list())).collect()
    scorer = load_scorer(registry.download(name, version))
    matrix = kept.select(scorer.features).fill_null(float("nan")).to_numpy()
    return kept.with_columns(prediction=pl.Series(scorer.predict(matrix)))


def versions_by_window(scope: Scope, monitor: Monitor) -> dict[str, str]:
    """Window -> the version that served it last."""
    predictions = with_window(monitor, prediction_rows(scope, monitor.watches))
    last = predictions.group_by("window").agg(pl.col("model_version").sort_by("requested_at").last())
    return dict(last.collect().iter_rows())

"""Joins the predictions that a monitor watches with their labels: from feedback, or from the labels' table."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from mlp_assets.features.source_rows import source_rows
from mlp_assets.metrics.labels import is_label, no_labels
from mlp_assets.monitors.watched_rows import Versions, tables_of
from mlp_assets.nouns.checks.logged_features import PREDICTION_ID
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.orchestration.scope import Scope

_SEVERAL = "__several"


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions with their labels.

    Args:
        rows: ``window``, ``prediction`` and the target.
        ambiguous: how many predictions were left out because several labels may be meant.
    """

    rows: pl.DataFrame
    ambiguous: int


def join_labels(scope: Scope, monitor: Monitor, windows: pl.LazyFrame, versions: Versions) -> LabelledPredictions:
    """The predictions with a known label, from the feedback or else from the labels' table.

    A prediction takes the label of its keys and its time. Without one, it takes the newest label of its keys that is
    not later than itself and not older than one cadence of the labels, if there is one alone: of several, each may
    answer another question. Labels of a training set with ``features_from`` say which prediction each is about.

    NaN, infinity and, for a binary model, other values than 0 and 1 are no labels.
    """
    training_set, read = monitor.watches.model.training_set, tables_of(scope, monitor)
    target, keys_of_row = training_set.target, list(training_set.keys)
    rows = windows.select("prediction_id", "window", "at", *keys_of_row, "prediction").collect().sort("at")
    version = versions[str(read.labels)]
    if training_set.logged_by is not None:
        labels = source_rows(scope, training_set.labels, version)
        newest = labels.sort("known_at").unique(PREDICTION_ID, keep="last").select(PREDICTION_ID, target)
        joined = rows.join(newest.collect(), on=PREDICTION_ID, how="left")
    else:
        tolerance = duration(training_set.labels.every) - timedelta(microseconds=1)
        known = _known_labels(scope, monitor, rows, version, tolerance)
        joined = _join_known(rows, known, keys_of_row, tolerance)
    if versions[str(read.feedback)] is not None:
        feedback = scope.environment.lake.scan(read.feedback, versions[str(read.feedback)])
        feedback = feedback.sort("known_at").unique("prediction_id", keep="last").collect()
        feedback = feedback.select("prediction_id", __feedback="label")
        joined = joined.join(feedback, on="prediction_id", how="left")
        joined = joined.with_columns(pl.coalesce("__feedback", target).alias(target)).drop("__feedback")
    values = monitor.watches.model.task_kind.label_values
    labelled = joined.filter(is_label(target, joined.schema[target], values)).select("window", "prediction", target)
    ambiguous = joined.filter(pl.col(_SEVERAL) & pl.col(target).is_null()).height if _SEVERAL in joined.columns else 0
    return LabelledPredictions(labelled, ambiguous)


def _join_known(rows: pl.DataFrame, known: pl.DataFrame, keys: list[str], tolerance: timedelta) -> pl.DataFrame:
    """The rows with their labels; null, and marked, where several labels may be meant."""
    target = next(name for name in known.columns if name not in (*keys, "at"))
    numbered = known.with_columns(__label_at="at", __number=pl.int_range(pl.len()).over(keys))
    joined = rows.join_asof(numbered, on="at", by=keys, tolerance=tolerance, check_sortedness=False)
    before = rows.select("prediction_id", *keys, at=pl.col("at") - tolerance - timedelta(microseconds=1))
    earlier = before.join_asof(numbered, on="at", by=keys, check_sortedness=False)["__number"].fill_null(-1)
    several = (pl.col("__number") - earlier > 1) & (pl.col("__label_at") != pl.col("at"))
    marked = joined.with_columns(several.fill_null(value=False).alias(_SEVERAL)).drop("__label_at", "__number")
    return marked.with_columns(pl.when(~pl.col(_SEVERAL)).then(target).alias(target))


def feedback_without_prediction(scope: Scope, monitor: Monitor, versions: Versions) -> int:
    """How many labels were sent for ids that no prediction has."""
    read, lake = tables_of(scope, monitor), scope.environment.lake
    told, predictions = versions.get(str(read.feedback)), versions.get(str(read.predictions))
    if told is None:
        return 0
    ids = lake.scan(read.feedback, told).select("prediction_id").unique()
    if predictions is not None:
        ids = ids.join(lake.scan(read.predictions, predictions).select("prediction_id"), on="prediction_id", how="anti")
    return ids.select(pl.len()).collect(engine="streaming").item()


def labels_left_out(scope: Scope, monitor: Monitor, versions: Versions) -> dict[str, int]:
    """What the labels' table holds instead of a label -> in how many rows."""
    model = monitor.watches.model
    labels = source_rows(scope, model.training_set.labels, versions[str(tables_of(scope, monitor).labels)])
    return no_labels(labels, model.training_set.target, model.task_kind.label_values)


def _known_labels(
    scope: Scope, monitor: Monitor, rows: pl.DataFrame, version: int | None, tolerance: timedelta
) -> pl.DataFrame:
    """The labels that rows with these times and keys can take, in order of time: each as it was known last."""
    training_set = monitor.watches.model.training_set
    labels, keys_of_row = training_set.labels, list(training_set.keys)
    row = [*keys_of_row, "at"]
    known = (
        source_rows(scope, labels, version)
        .rename({labels.event_time: "at"})
        .select(*row, training_set.target, "known_at")
    )
    if rows.height:
        first, last = rows["at"].min(), rows["at"].max()
        known = known.filter(pl.col("at").is_between(pl.lit(first) - pl.lit(tolerance), pl.lit(last)))
    asked = rows.select(keys_of_row).unique()
    known = known.join(asked.lazy(), on=keys_of_row, how="semi")
    return known.sort("known_at").unique(row, keep="last").select(*row, training_set.target).collect().sort("at")

"""What a monitor looks at: the predictions by window, and the reference of the version that made them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import polars as pl

from mlp_assets.artifact.encoding import FittedCategories
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.errors import MlpError
from mlp_assets.features.source_rows import source_rows, source_table, source_versions
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.split import SplitByGroup
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.events import UTC_TIME
from mlp_resources.ports.lake import Lake, Table

Versions = Mapping[str, int | None]


@dataclass(frozen=True)
class Observed:
    """The windows that one version of the model served, and its reference. Both have ``window`` and ``prediction``.

    Attributes:
        features: the numbers that version takes, which may differ from what the project's model takes by now.
        categories: the texts that it takes as categories.
        reference_table, reference_version: the training set, and its Delta version, of which the reference is a part.
    """

    version: str
    windows: pl.DataFrame
    reference: pl.DataFrame
    features: tuple[str, ...]
    categories: tuple[str, ...]
    reference_table: str
    reference_version: int


@dataclass(frozen=True)
class Tables:
    """Where the parts lie of which a monitor's figures are made."""

    predictions: Table
    feedback: Table
    labels: Table | str


def tables_of(scope: Scope, monitor: Monitor) -> Tables:
    endpoint, training_set = monitor.watches, monitor.watches.model.training_set
    home = scope.home(endpoint)
    return Tables(
        predictions=keys.table(keys.predictions(home, endpoint)),
        feedback=keys.table(keys.feedback(home, endpoint)),
        labels=source_table(scope, training_set.labels),
    )


def versions_now(scope: Scope, monitor: Monitor, *, labelled: bool) -> Versions:
    """The Delta version of the predictions (and of what holds their outcomes), pinned before anything is read."""
    lake, tables = scope.environment.lake, tables_of(scope, monitor)
    if not labelled:
        return {str(tables.predictions): lake.version(tables.predictions)}
    ours = {str(table): lake.version(table) for table in (tables.predictions, tables.feedback)}
    return ours | source_versions(scope, [monitor.watches.model.training_set.labels])


def observed(scope: Scope, monitor: Monitor, versions: Versions) -> Iterator[Observed]:
    """One for each version, oldest first. A window belongs to the version that made its last prediction."""
    predictions = prediction_rows(scope, monitor, versions)
    by_window = versions_by_window(scope, monitor, versions)
    for version in sorted(set(by_window.values()), key=int):
        served = [window for window, last in by_window.items() if last == version]
        theirs = pl.col("window").is_in(served) & (pl.col("model_version") == version)
        trained = _trained(scope, monitor, version)
        reference, features, categories = _reference(scope.environment.lake, monitor, trained)
        windows = predictions.filter(theirs).collect()
        yield Observed(version, windows, reference, features, categories, str(trained.table), trained.table_version)


def prediction_rows(scope: Scope, monitor: Monitor, versions: Versions) -> pl.LazyFrame:
    """Every prediction drained by then, with its ``window``; no rows when nobody has asked the endpoint yet."""
    table = tables_of(scope, monitor).predictions
    if versions[str(table)] is None:
        empty = {"at": UTC_TIME, "requested_at": UTC_TIME, "model_version": pl.String}
        return with_window(monitor, pl.LazyFrame(schema=empty))
    return with_window(monitor, scope.environment.lake.scan(table, versions[str(table)]))


def versions_by_window(scope: Scope, monitor: Monitor, versions: Versions) -> dict[str, str]:
    """Window -> the version of the model that served it last."""
    predictions = prediction_rows(scope, monitor, versions)
    last = predictions.group_by("window").agg(pl.col("model_version").sort_by("requested_at").last())
    return dict(last.collect().iter_rows())


def with_window(monitor: Monitor, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``window``: the day on which the row's window starts, counted from the start of the labels' history."""
    every = duration(monitor.every) // timedelta(microseconds=1)
    start = pl.lit(moment(monitor.watches.model.training_set.labels.start))
    passed = (pl.col("at") - start).dt.total_microseconds() // every * every
    return rows.with_columns(window=(start + pl.duration(microseconds=passed)).dt.to_string("%Y-%m-%d"))


def with_labels(scope: Scope, monitor: Monitor, rows: pl.DataFrame, versions: Versions) -> pl.DataFrame:
    """The predictions whose outcome is known: from the labels' table, or as callers told.

    A prediction takes the newest label of its keys that is not after it, and within one cadence of the labels.
    """
    training_set, tables = monitor.watches.model.training_set, tables_of(scope, monitor)
    target, labels = training_set.target, training_set.labels
    known = source_rows(scope, labels, versions[str(tables.labels)])
    row = [*training_set.keys, "at"]
    known = known.rename({labels.event_time: "at"}).sort("known_at").unique(row, keep="last").select(*row, target)
    joined = (
        rows.drop(target, strict=False)
        .sort("at")
        .join_asof(
            known.collect().sort("at"),
            on="at",
            by=list(training_set.keys),
            tolerance=duration(labels.every) - timedelta(microseconds=1),
            check_sortedness=False,
        )
    )
    if versions[str(tables.feedback)] is not None:
        told = scope.environment.lake.scan(tables.feedback, versions[str(tables.feedback)])
        told = told.sort("known_at").unique("prediction_id", keep="last").collect()
        told = told.select("prediction_id", __told="label")
        joined = joined.join(told, on="prediction_id", how="left")
        joined = joined.with_columns(pl.coalesce("__told", target).alias(target)).drop("__told")
    return joined.filter(pl.col(target).is_not_null())


@dataclass(frozen=True)
class _Trained:
    """A version's artifact, and the Delta version of the training set that it learned from."""

    table: Table
    table_version: int
    artifact: Path
    digest: str


def _trained(scope: Scope, monitor: Monitor, version: str) -> _Trained:
    """Raises MlpError when the version is gone."""
    model = monitor.watches.model
    registry, name = scope.environment.registry, keys.registered_model(scope.home(model), model)
    found = next((one for one in registry.versions(name) if one.version == version), None)
    if found is None:
        raise MlpError(
            f"{monitor.where}: version {version} of {name} made predictions and is no longer in the registry, so its "
            "reference cannot be had. Restore the version there."
        )
    ((table, pinned),) = json.loads(found.tags["mlp.training_set"]).items()
    return _Trained(Table(*table.split("/")), pinned, registry.download(found), found.digest)


@lru_cache(maxsize=2)  # a run makes all assets of a monitor, one after the other, of the same reference
def _reference(
    lake: Lake, monitor: Monitor, trained: _Trained
) -> tuple[pl.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """The newest labelled windows of the training set, as the version scores them; its numbers and its categories."""
    scorer = load_scorer(trained.artifact, trained.digest)
    windowed = with_window(monitor, lake.scan(trained.table, trained.table_version))
    newest = windowed.select("window").unique().sort("window").tail(monitor.reference_windows).collect()
    kept = windowed.filter(pl.col("window").is_in(newest["window"].to_list()))
    given, keys = scorer.encoding.inputs, monitor.watches.model.training_set.keys
    if isinstance(monitor.watches.model.training_set.split, SplitByGroup):
        kept = kept.filter(pl.col("split") == "test")  # the others are of its training, whenever they are from
    rows = kept.select("window", *given, monitor.watches.model.training_set.target).collect()
    predicted = scorer.known.classes.answers(scorer.predict(scorer.encoding.matrix(rows)))
    numbers = tuple(name for name in given if rows.schema[name].is_numeric() and name not in keys)
    encoders = scorer.encoding.encoders
    texts = (name for name in given if isinstance(encoders.get(name), FittedCategories))
    categories = tuple(name for name in texts if rows.schema[name] == pl.String and name not in keys)
    return rows.with_columns(pl.Series(name, values) for name, values in predicted.items()), numbers, categories

"""Reads what a monitor watches: predictions by window, their labels, and the reference of each model version."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import polars as pl

from mlp_assets.artifact.encoding import FittedCategories
from mlp_assets.artifact.formats.scorer import Scorer
from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.errors import MlpError
from mlp_assets.features.source_rows import source_table, source_versions
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.training_set import SplitByGroup
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.batches import batches
from mlp_assets.tables.events import UTC_TIME
from mlp_resources.ports import registry_tags, tables
from mlp_resources.ports.lake import Lake, Table

Versions = Mapping[str, int | None]
_ROWS_SCORED_AT_ONCE = 32 * 1024  # a multiple of what ONNX predicts at once, so that its calls stay the same


@dataclass(frozen=True)
class WatchedVersion:
    """The windows that one version of the model served, and its reference.

    Args:
        windows, reference: rows with ``window``, ``prediction``, the features and the categories; the reference also
            has the target. As queries: of a large reference no more than some columns are in memory at a time.
        features: the numbers that the version takes; the project's model may take others by now.
        categories: the texts that it takes as categories.
        reference_table, reference_version: the training set that the reference is part of, and its Delta version.
    """

    version: str
    windows: pl.LazyFrame
    reference: pl.LazyFrame
    features: tuple[str, ...]
    categories: tuple[str, ...]
    reference_table: str
    reference_version: int


@dataclass(frozen=True)
class MonitorTables:
    """Tables a monitor reads; ``labels`` may be the location of an external source."""

    predictions: Table
    feedback: Table
    labels: Table | str


def tables_of(scope: Scope, monitor: Monitor) -> MonitorTables:
    endpoint, training_set = monitor.watches, monitor.watches.model.training_set
    home = scope.home(endpoint)
    return MonitorTables(
        predictions=tables.predictions(home, endpoint.name),
        feedback=tables.feedback(home, endpoint.name),
        labels=source_table(scope, training_set.labels),
    )


def pin_versions(scope: Scope, monitor: Monitor, *, labelled: bool) -> Versions:
    """Table -> its Delta version now, for the predictions and, with ``labelled``, the feedback and the labels."""
    lake, read = scope.environment.lake, tables_of(scope, monitor)
    if not labelled:
        return {str(read.predictions): lake.version(read.predictions)}
    versions = {str(table): lake.version(table) for table in (read.predictions, read.feedback)}
    return versions | source_versions(scope, [monitor.watches.model.training_set.labels])


def watched_versions(scope: Scope, monitor: Monitor, versions: Versions) -> Iterator[WatchedVersion]:
    """The versions that served, oldest first. A window belongs to the version that made its last prediction."""
    predictions = prediction_rows(scope, monitor, versions)
    by_window = versions_by_window(scope, monitor, versions)
    for version in sorted(set(by_window.values()), key=int):
        windows = [window for window, last in by_window.items() if last == version]
        served = pl.col("window").is_in(windows) & (pl.col("model_version") == version)
        trained = _trained_version(scope, monitor, version)
        reference, features, categories = _reference(scope.environment.lake, monitor, trained)
        rows, table = predictions.filter(served), str(trained.table)
        yield WatchedVersion(version, rows, reference, features, categories, table, trained.table_version)


def prediction_rows(scope: Scope, monitor: Monitor, versions: Versions) -> pl.LazyFrame:
    """The logged predictions at these versions, with ``window``; no rows before the first prediction."""
    table = tables_of(scope, monitor).predictions
    if versions[str(table)] is None:
        schema = {"at": UTC_TIME, "requested_at": UTC_TIME, "model_version": pl.String}
        return add_window(monitor, pl.LazyFrame(schema=schema))
    return add_window(monitor, scope.environment.lake.scan(table, versions[str(table)]))


def versions_by_window(scope: Scope, monitor: Monitor, versions: Versions) -> dict[str, str]:
    """Window -> the version of the model that made its last prediction."""
    predictions = prediction_rows(scope, monitor, versions)
    last = predictions.group_by("window").agg(pl.col("model_version").sort_by("requested_at").last())
    return dict(last.collect().iter_rows())


def add_window(monitor: Monitor, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds ``window``: the first day of the row's window, as text. Windows are counted from the start of the labels."""
    every = duration(monitor.every) // timedelta(microseconds=1)
    start = pl.lit(moment(monitor.watches.model.training_set.labels.start))
    elapsed = (pl.col("at") - start).dt.total_microseconds() // every * every
    return rows.with_columns(window=(start + pl.duration(microseconds=elapsed)).dt.to_string("%Y-%m-%d"))


@dataclass(frozen=True)
class _TrainedVersion:
    """The artifact of a model version, and the Delta version of its training set."""

    table: Table
    table_version: int
    artifact: Path
    digest: str


def _trained_version(scope: Scope, monitor: Monitor, version: str) -> _TrainedVersion:
    """Raises MlpError if the registry no longer has the version."""
    model = monitor.watches.model
    registry, name = scope.environment.registry, keys.registered_model(scope.home(model), model)
    registered = next((entry for entry in registry.versions(name) if entry.version == version), None)
    if registered is None:
        raise MlpError(
            f"{monitor.where}: version {version} of {name} made predictions, but the registry no longer has it, so "
            "its training set is unknown. Restore the version in the registry."
        )
    ((table, table_version),) = json.loads(registered.tags[registry_tags.TRAINING_SET]).items()
    artifact = registry.download(registered)
    return _TrainedVersion(Table(*table.split("/")), table_version, artifact, registered.digest)


@lru_cache(maxsize=2)  # the assets of a monitor are computed one after the other, from the same reference
def _reference(
    lake: Lake, monitor: Monitor, trained: _TrainedVersion
) -> tuple[pl.LazyFrame, tuple[str, ...], tuple[str, ...]]:
    """The newest windows of the training set with the version's predictions; its numbers; its categories.

    Only the predictions are kept in memory: twelve weeks of a training set may be a million rows.
    """
    scorer = load_scorer(trained.artifact, trained.digest)
    windowed = add_window(monitor, lake.scan(trained.table, trained.table_version))
    newest = windowed.select("window").unique().sort("window").tail(monitor.reference_windows).collect()
    kept = pl.col("window").is_in(newest["window"].to_list())
    if newest.height:
        kept &= pl.col("at") >= moment(newest["window"][0])  # as a bound on the stored column, it spares reading files
    inputs, training_set = scorer.encoding.inputs, monitor.watches.model.training_set
    if isinstance(training_set.split, SplitByGroup):
        kept &= pl.col("split") == "test"  # the model was trained on the other rows, however new they are
    rows = windowed.filter(kept).select("window", *inputs, training_set.target)
    parts = [_answers(scorer, batch) for batch in batches(windowed, inputs, _ROWS_SCORED_AT_ONCE, kept)]
    scored = pl.concat([rows, pl.concat(parts).lazy()], how="horizontal")
    features, schema = [name for name in inputs if name not in training_set.keys], rows.collect_schema()
    numbers = tuple(name for name in features if schema[name].is_numeric())
    encoders = scorer.encoding.encoders
    texts = (name for name in features if isinstance(encoders.get(name), FittedCategories))
    return scored, numbers, tuple(name for name in texts if schema[name] == pl.String)


def _answers(scorer: Scorer, rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(scorer.facts.classes.answers(scorer.predict(scorer.encoding.matrix(rows))))

"""Checks rows of a training set against the log they were taken from, a second way: plain Python over the tables."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from mlp_assets.features.source_rows import source_rows, source_table
from mlp_assets.nouns.checks.logged_features import PREDICTION_ID
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.visibility import Versions
from mlp_assets.training_sets.compute.leaks import Leak
from mlp_assets.training_sets.logged_labels import log_table

Row = Mapping[str, Any]


def find_unlogged(scope: Scope, training_set: TrainingSet, sample: pl.DataFrame, read: Versions) -> Iterator[Leak]:
    """The first value of each column that was logged with no prediction of the row's keys and time.

    Args:
        sample: rows of the training set.
        read: table -> the version that the training set was computed from.
    """
    columns = [*training_set.stored_names, *training_set.request, training_set.target]
    reported: set[str] = set()
    logged = _logged(scope, training_set, sample, read)
    for row in sample.to_dicts():
        candidates = logged.get(_place(training_set, row), [])
        if any(all(row[name] == other[name] for name in columns) for other in candidates):
            continue
        nearest: Row = max(candidates, key=lambda other: sum(row[name] == other[name] for name in columns), default={})
        for name in columns:
            if name not in reported and row[name] != nearest.get(name):
                reported.add(name)
                yield Leak(name, _shown(training_set, row), row[name], nearest.get(name), "the log has another value")


def _logged(
    scope: Scope, training_set: TrainingSet, sample: pl.DataFrame, read: Versions
) -> dict[tuple[Any, ...], list[Row]]:
    """Keys and time -> what was logged then, with the label."""
    endpoint = training_set.logged_by
    if endpoint is None:
        return {}
    labels: dict[str, tuple[Any, Any]] = {}
    target, table = training_set.target, log_table(scope, endpoint)
    source = source_rows(scope, training_set.labels, read[str(source_table(scope, training_set.labels))])
    times = sample["at"].unique().implode()
    log = scope.environment.lake.scan(table, read[str(table)]).filter(pl.col("at").is_in(times)).collect()
    of_log = pl.col(PREDICTION_ID).is_in(log[PREDICTION_ID].implode())
    for identity, known, label in source.filter(of_log).select(PREDICTION_ID, "known_at", target).collect().iter_rows():
        if identity not in labels or known >= labels[identity][0]:
            labels[identity] = (known, label)
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in log.to_dicts():
        if row[PREDICTION_ID] in labels:
            label = labels[row[PREDICTION_ID]][1]
            found.setdefault(_place(training_set, row), []).append({**row, target: label})
    return found


def _place(training_set: TrainingSet, row: Row) -> tuple[Any, ...]:
    return (*(row[key] for key in training_set.keys), row["at"])


def _shown(training_set: TrainingSet, row: Row) -> str:
    return ", ".join(f"{key}={row[key]!r}" for key in training_set.keys) + f", at={row['at']:%Y-%m-%d %H:%M}"

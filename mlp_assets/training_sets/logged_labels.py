"""The labels of a training set that takes its features from a log, with what an endpoint logged of each prediction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.definitions.definition_note import definition_at
from mlp_assets.features.definitions.kept_table import version_of
from mlp_assets.features.source_rows import lake_table, source_rows, source_table
from mlp_assets.nouns.checks.logged_features import PREDICTION_ID
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.visibility import Versions
from mlp_resources.ports.lake import Table

_VERSIONS = "view_versions"


def log_table(scope: Scope, endpoint: Endpoint) -> Table:
    """The table of the endpoint's predictions."""
    return keys.table(keys.predictions(scope.home(endpoint), endpoint))


@dataclass(frozen=True)
class LoggedLabels:
    """Labels with the rows of the log that they are about.

    Args:
        time: the column with the time of a row.
        labels: the newest label of each prediction.
        log: the predictions that were given features of the definitions that the views' tables follow.
        others: how many predictions were given features of other definitions.
    """

    time: str
    labels: pl.LazyFrame
    log: pl.LazyFrame
    others: int

    @property
    def joined(self) -> pl.LazyFrame:
        """The columns that ``make_recipe`` takes; the time of a row is the one that its request asked about."""
        logged = self.log.rename({"at": self.time})
        own = logged.drop(PREDICTION_ID).collect_schema().names()
        return self.labels.drop(own, strict=False).join(logged, on=PREDICTION_ID)

    @property
    def facts(self) -> dict[str, Any]:
        """Which labels and predictions are left out, to show."""
        lacking = self.labels.join(self.log, on=PREDICTION_ID, how="anti").select(pl.len())
        return {
            "labels_without_prediction": lacking.collect(engine="streaming").item(),
            "predictions_of_other_definitions": self.others,
        }


def read_logged(scope: Scope, training_set: TrainingSet, endpoint: Endpoint, versions: Versions) -> LoggedLabels:
    """Reads the tables at these versions.

    Raises:
        LakeError: nothing is logged yet, the log lacks a feature, or all of it is of other definitions.
    """
    labels = source_rows(scope, training_set.labels, versions[str(source_table(scope, training_set.labels))])
    newest = labels.sort("known_at").unique(PREDICTION_ID, keep="last", maintain_order=True)
    log = _log(scope, training_set, endpoint, versions)
    texts = log.select(pl.col(_VERSIONS).unique()).collect().to_series()
    same = [_follow_today(scope, training_set.features, json.loads(text), versions) for text in texts]
    follows = pl.col(_VERSIONS).is_in(texts.filter(pl.Series(same, dtype=pl.Boolean)).implode())
    others = log.filter(~follows).select(pl.len()).collect().item()
    if others and not any(same):
        raise LakeError(
            f"{training_set.where}: all {others} predictions in the log of {endpoint.where} were given features of "
            "other definitions than today's. Leave features_from out until a model that reads today's has answered "
            "requests."
        )
    return LoggedLabels(training_set.labels.event_time, newest, log.filter(follows).drop(_VERSIONS), others)


def _log(scope: Scope, training_set: TrainingSet, endpoint: Endpoint, versions: Versions) -> pl.LazyFrame:
    table = log_table(scope, endpoint)
    version = versions[str(table)]
    if version is None:
        raise LakeError(
            f"{training_set.where}: {endpoint.where} has no log of predictions yet. Materialize "
            f"{table} after it has answered requests."
        )
    log = scope.environment.lake.scan(table, version)
    columns = [*training_set.keys, *training_set.stored_names, *training_set.request]
    missing = [name for name in columns if name not in log.collect_schema()]
    if missing:
        raise LakeError(
            f"{training_set.where}: {endpoint.where} has never logged {missing[0]!r}. It does so when a model that "
            "reads it has answered requests."
        )
    typed = [pl.col(name).cast(training_set.type_of(name)) for name in columns]  # the log holds numbers as Float64
    return log.select(PREDICTION_ID, "at", *typed, _VERSIONS)


def _follow_today(
    scope: Scope, views: Sequence[FeatureView], logged: Mapping[str, int | None], versions: Versions
) -> bool:
    """Whether what was read of the views follows the definitions that their tables follow at the pinned versions."""
    return all(_follows(scope, view, logged.get(view.name), versions) for view in views)


def _follows(scope: Scope, view: FeatureView, number: int | None, versions: Versions) -> bool:
    if number is None:  # the store did not answer: the features are missing, whatever their definition
        return True
    if version_of(number) is not None:  # of an earlier definition
        return False
    lake, table = scope.environment.lake, lake_table(scope, view)
    try:
        return definition_at(lake, table, number).name == definition_at(lake, table, versions[str(table)]).name
    except LakeError:
        return False

"""Statistics of a view's newest partition: stored for the catalogue, and shown on the asset."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from mlp_assets.features.compute.histograms import features_picture
from mlp_assets.features.compute.lineage import UseGraph, Uses, formula
from mlp_assets.features.compute.statistics import current_rows, null_rate, sparkline, statistics
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.standing_rows import as_newest
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Transaction, WriteResult


@dataclass(frozen=True)
class FeatureFacts:
    """The statistics of one partition, to show.

    Args:
        picture: histograms of the features, as PNG bytes.
        table: a row for each feature: its statistics, a sparkline, its owner and what uses it.
        newest_row: the newest ``event_time``.
    """

    partition: str
    picture: bytes
    table: pl.DataFrame
    newest_row: str


def record_facts(scope: Scope, view: FeatureView, frame: pl.DataFrame, written: WriteResult) -> FeatureFacts | None:
    """The facts of the newest partition of a frame; None for an empty frame.

    Stores the statistics for the catalogue if that partition is the newest of the table.

    Args:
        frame: the rows of the partitions that the run wrote.
        written: the write that holds them.
    """
    if frame.is_empty():
        return None
    newest = str(frame["partition"].max())
    in_partition = frame.filter(pl.col("partition") == newest)
    newest_of_each = as_newest(in_partition.lazy()).collect()
    rows = newest_of_each.filter(pl.col("event_time") == pl.col("event_time").max())
    rows = current_rows(rows, view.entity.keys, view.feature_names)
    figures = statistics(rows, view.feature_names)
    if newest == max(scope.environment.lake.partitions(tables.features(scope.project.name, view.name))):
        _store(scope, view, figures, written.version)
    picture = features_picture(figures.to_dicts())
    return FeatureFacts(newest, picture, _facts_table(scope, view, figures), str(figures["newest"].max()))


def _store(scope: Scope, view: FeatureView, figures: pl.DataFrame, version: int) -> None:
    """Writes the statistics unless those of a later version are stored: another run may have overtaken this one."""
    lake, table = scope.environment.lake, tables.statistics(scope.project.name)
    features = tables.features(scope.project.name, view.name)
    rows = figures.with_columns(features_version=pl.lit(version, dtype=pl.Int64), partition=pl.lit(view.name))
    while True:
        before = lake.transaction(table, view.name) or 0
        features_recreated = before > (lake.version(features) or 0) + 1
        if before > version and not features_recreated:
            return
        if lake.write_partitions(table, rows, [view.name], Transaction(view.name, version + 1, before)).changed:
            return


def _facts_table(scope: Scope, view: FeatureView, figures: pl.DataFrame) -> pl.DataFrame:
    graph = UseGraph(spec for project in (*scope.project.used, scope.project) for spec in project.specs)
    lines = [
        {
            "feature": feature["feature"],
            "missing": f"{missing:.1%}" if (missing := null_rate(feature)) is not None else None,
            **{name: feature[name] for name in ("mean", "std", "minimum", "median", "maximum")},
            "distribution": sparkline(feature["histogram"]).replace(" ", "\u00a0") or None,  # HTML joins plain spaces
            "owner": view.about(feature["feature"]).owner or scope.project.owner,
            "used by": ", ".join(_users(graph.uses(view, feature["feature"]))) or None,
        }
        for feature in figures.to_dicts()
    ]
    return pl.DataFrame(lines, infer_schema_length=None)


def _users(uses: Uses) -> list[str]:
    return [
        spec.name for spec in (*uses.training_sets, *uses.models, *uses.endpoints, *uses.batch_scores, *uses.monitors)
    ]


def describe_columns(view: FeatureView) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Feature -> its description (its formula, if it has none) and its tags."""
    about = {name: view.about(name) for name in view.feature_names}
    return {name: (entry.description or formula(view, name), entry.tags) for name, entry in about.items()}

"""The statistics of a view's newest partition: kept beside the features for the catalogue, and shown on the asset."""

from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.features.compute.histograms import features_picture
from mlp_assets.features.compute.statistics import current_rows, null_rate, sparkline, statistics
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.lineage import UseGraph, Uses, formula
from mlp_assets.nouns.source import Columns
from mlp_assets.orchestration.metadata import markdown_table, picture
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import tables
from mlp_resources.ports.lake import Transaction, Written


def shown_statistics(scope: Scope, view: FeatureView, frame: pl.DataFrame, written: Written) -> dict[str, Any]:
    """The facts of the features as metadata, the picture first; of the newest partition of what a run wrote.

    They are kept for the catalogue where that partition is the newest of the table.

    Args:
        frame, written: the rows of the partitions that the run wrote, and the version that holds them.
    """
    if frame.is_empty():
        return {}
    newest = str(frame["partition"].max())
    rows = current_rows(frame.filter(pl.col("partition") == newest), view.entity.keys, view.feature_names)
    found = statistics(rows, view.feature_names)
    if newest == max(scope.environment.lake.partitions(tables.features(scope.project.name, view.name))):
        _keep(scope, view, found, written.version)
    return {
        "picture": picture(features_picture(found.to_dicts())),
        "statistics": dg.MetadataValue.md(_as_markdown(scope, view, found)),
        "statistics_of": newest,
        "newest_row": str(found["newest"].max()),
        "fresh_within": view.fresh_within or "not said",
    }


def _keep(scope: Scope, view: FeatureView, found: pl.DataFrame, version: int) -> None:
    """Writes them unless those of a later version are there: another run may have overtaken this one."""
    lake, table = scope.environment.lake, tables.statistics(scope.project.name)
    features = tables.features(scope.project.name, view.name)
    kept = found.with_columns(features_version=pl.lit(version, dtype=pl.Int64), partition=pl.lit(view.name))
    while True:
        before = lake.transaction(table, view.name) or 0
        made_anew = before > (lake.version(features) or 0) + 1
        if before > version and not made_anew:
            return
        if lake.write_partitions(table, kept, [view.name], Transaction(view.name, version + 1, before)).changed:
            return


def _as_markdown(scope: Scope, view: FeatureView, found: pl.DataFrame) -> str:
    graph = UseGraph(spec for project in (*scope.project.used, scope.project) for spec in project.specs)
    lines = [
        {
            "feature": one["feature"],
            "missing": f"{missing:.1%}" if (missing := null_rate(one)) is not None else None,
            **{name: one[name] for name in ("mean", "std", "minimum", "median", "maximum")},
            "distribution": sparkline(one["histogram"]).replace(" ", "\u00a0") or None,  # HTML joins plain spaces
            "owner": view.about(one["feature"]).owner or scope.project.owner,
            "used by": ", ".join(_users(graph.uses(view, one["feature"]))) or None,
        }
        for one in found.to_dicts()
    ]
    return markdown_table(pl.DataFrame(lines, infer_schema_length=None))


def _users(uses: Uses) -> list[str]:
    return [one.name for one in (*uses.training_sets, *uses.models, *uses.endpoints, *uses.monitors)]


def described_columns(view: FeatureView, schema: Columns) -> dg.TableSchema:
    """The columns of a view's table; a feature's with what it is (else how it is computed) and its tags."""
    columns: list[dg.TableColumn] = []
    for name, dtype in schema.items():
        if name not in view.feature_names:
            columns.append(dg.TableColumn(name, str(dtype)))
            continue
        about = view.about(name)
        said = about.description or formula(view, name)
        columns.append(dg.TableColumn(name, str(dtype), description=said, tags=dict(about.tags)))
    return dg.TableSchema(columns)

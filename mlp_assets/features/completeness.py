"""Checks that the inputs of a partition are there: without its events, every label would be 0."""

from collections.abc import Callable, Sequence, Set

from mlp_assets.errors import LakeError
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.orchestration.partitions import Windows, partitions_within
from mlp_assets.orchestration.scope import Scope


def check_ingested(
    scope: Scope, inputs: Sequence[ViewInput], windows: Windows, materialized: Callable[[ViewInput], Set[str]]
) -> None:
    """Raises LakeError if an ingested source or a view lacks one of its partitions in the windows.

    Args:
        materialized: the partitions of an input that Dagster recorded as materialized. A partition without rows leaves
            no trace in the table, so the table alone cannot answer.
    """
    for rows in (rows for rows in inputs if isinstance(rows, FeatureView) or rows.ingested):
        table = lake_table(scope, rows)
        missing = partitions_within(rows.root, rows.every, windows) - scope.environment.lake.partitions(table)
        missing = missing - materialized(rows) if missing else missing
        if missing:
            verb = "computed" if isinstance(rows, FeatureView) else "ingested"
            others = f" (nor {len(missing) - 1} later ones)" if len(missing) > 1 else ""
            raise LakeError(
                f"{rows.where} has not {verb} partition {min(missing)}{others}, and this run reads it. "
                f"Materialize {table} for it first, or both in one run."
            )

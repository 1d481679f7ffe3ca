"""Whether the partitions that a partition is computed from have been ingested: from nothing, labels would all be 0."""

from collections.abc import Sequence

import dagster as dg

from mlp_assets.errors import LakeError
from mlp_assets.features.source_rows import rows_key
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.partitions import Windows, partitions_of
from mlp_assets.orchestration.scope import Scope


def check_ingested(
    context: dg.AssetExecutionContext, scope: Scope, sources: Sequence[ViewInput], windows: Windows
) -> None:
    """Raises LakeError where a source of ours, or a view that is one, lacks a partition of the windows.

    A partition without rows leaves nothing in the table: that it was ingested is known to Dagster alone.
    """
    for source in (source for source in sources if isinstance(source, FeatureView) or source.ingested):
        key = rows_key(scope, source)
        missing = _wanted(source, windows) - scope.environment.lake.partitions(keys.table(key))
        missing = missing - context.instance.get_materialized_partitions(key) if missing else missing
        if missing:
            first, did = min(missing), "computed" if isinstance(source, FeatureView) else "ingested"
            others = f" (nor {len(missing) - 1} later ones)" if len(missing) > 1 else ""
            raise LakeError(
                f"{source.where} has not {did} partition {first}{others}, of which this would be computed. "
                f"Materialize {key.to_user_string()} for it first, or both in one run."
            )


def _wanted(source: ViewInput, windows: Windows) -> set[str]:
    """The source's partitions that lie in the windows: none in a window that is shorter than they are."""
    definition = partitions_of(source.root, source.every)
    return {
        key
        for _, window in windows
        for key in definition.get_partition_keys_in_time_window(dg.TimeWindow(window.start, window.end))
        if definition.time_window_for_partition_key(key).end <= window.end
    }

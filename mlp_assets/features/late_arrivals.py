"""Finds out whether rows arrived in a source that change moments which a view has computed."""

from mlp_assets.features.moments.late_changes import changed_times
from mlp_assets.features.partition_writer import SOURCE_READ
from mlp_assets.features.source_rows import lake_table, source_table
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.progress import read_progress


def late_arrivals(scope: Scope, view: FeatureView, since: int | None) -> tuple[int, bool] | None:
    """The newest version of a view's source, and whether it has rows for computed moments since an earlier version.

    Args:
        since: the version up to which all was seen before; by default the one that the table follows from.

    Returns:
        None if the view was never computed, or its source has no version.
    """
    lake, table = scope.environment.lake, lake_table(scope, view)
    version, recorded = lake.version(source_table(scope, view.source)), lake.transaction(table, SOURCE_READ)
    if version is None or not recorded:
        return None
    before = max(recorded - 1, since if since is not None else 0)
    if before >= version:
        return version, False
    times, progress = changed_times(scope, view, before, version), read_progress(lake, table, lake.version(table))
    if progress is None or not progress.spans:
        return version, False
    return version, bool((times < progress.spans[-1][1]).any())

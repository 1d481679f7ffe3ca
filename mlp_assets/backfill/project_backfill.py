"""A backfill of a project, from the days that were asked for to the summary."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import dagster as dg

from mlp_assets.backfill.execution import Execution, Progress, Summary
from mlp_assets.backfill.history import Computed, computed_partitions, outdated_publications
from mlp_assets.backfill.span import read_span
from mlp_assets.backfill.work import Records, WorkFinder
from mlp_assets.features.moments.held_moments import incomplete_partitions
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.schedules import jobs_within_days
from mlp_assets.orchestration.scope import Scope


@dataclass(frozen=True)
class Days:
    """What a backfill is asked for.

    Args:
        first, last: the days of the range, such as ``"2024-01-31"``; the whole history by default.
        again: whether partitions that are up to date are computed too.
    """

    first: str | None = None
    last: str | None = None
    again: bool = False


def run_backfill(
    scope: Scope, definitions: dg.Definitions, instance: dg.DagsterInstance, progress: Progress, days: Days
) -> Summary:
    """Computes what is missing or stale in the range, inputs first, and then publishes the features.

    Args:
        definitions: those of the project.

    Raises:
        SpanError: the days cannot be computed.
    """
    project, now, graph = scope.project, scope.environment.now(), definitions.resolve_asset_graph()
    span = read_span(project, days.first, days.last, now)
    views = [view for view in project.feature_views if view.online]
    publications = {keys.features(project.name, view): keys.online(project.name, view) for view in views}
    job = definitions.resolve_implicit_global_asset_job_def()
    execution = Execution(job, instance, publications, progress)
    ingested = [source for source in project.sources if source.ingested]
    execution.wait_for_others([keys.view_input(project.name, rows) for rows in (*ingested, *project.feature_views)])

    written = [rows for rows in project.specs if isinstance(rows, Source | FeatureView)]
    rows_of = {keys.view_input(project.home_of(rows).name, rows): rows for rows in written}

    @cache
    def history(key: dg.AssetKey) -> Mapping[str, Computed]:
        if scope.environment.lake.version(keys.table(key)) is None:
            return {}
        computed = computed_partitions(instance, key)
        partial = incomplete_partitions(scope, rows_of[key], computed.keys()) if key in rows_of else set[str]()
        return {name: partition for name, partition in computed.items() if name not in partial}

    def version(key: dg.AssetKey) -> str | None:
        return graph.get(key).code_version

    work = WorkFinder(project, span, now, Records(history, version), again=days.again).find()
    summary = execution.execute(work, outdated_publications(instance, publications, version))
    if span.end is None:
        summary.left_to = jobs_within_days(project)
    return summary

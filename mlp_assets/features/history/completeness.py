"""Checks that the inputs of a partition are there, and names earlier ones that a window reads and that are missing."""

from collections.abc import Callable, Sequence, Set

from mlp_assets.errors import LakeError
from mlp_assets.features.moments.held_moments import held_moments, series
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.checks.texts import moment
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.orchestration.partitions import Windows, partitions_overlapping, partitions_within
from mlp_assets.orchestration.scope import Scope


def check_ingested(
    scope: Scope,
    inputs: Sequence[ViewInput],
    windows: Windows,
    materialized: Callable[[ViewInput], Set[str]],
    *,
    steps: bool = True,
) -> None:
    """Raises LakeError if an ingested source or a view lacks one of its partitions in the windows.

    Args:
        steps: whether it may not lack a step of a day either. Readers that take what is there do without.
        materialized: the partitions of an input that Dagster recorded as materialized. A partition without rows leaves
            no trace in the table, so the table alone cannot answer.
    """
    for rows in (rows for rows in inputs if isinstance(rows, FeatureView) or rows.ingested):
        table = lake_table(scope, rows)
        missing = partitions_within(rows, windows) - scope.environment.lake.partitions(table)
        missing = missing - materialized(rows) if missing else missing
        if missing:
            verb = "computed" if isinstance(rows, FeatureView) else "ingested"
            others = f" (nor {len(missing) - 1} later ones)" if len(missing) > 1 else ""
            raise LakeError(
                f"{rows.where} has not {verb} partition {min(missing)}{others}, and this run reads it. "
                f"Materialize {table} for it first, or both in one run."
            )
        if steps:
            _check_steps(scope, rows, windows, materialized(rows))


def _check_steps(scope: Scope, rows: ViewInput, windows: Windows, materialized: Set[str]) -> None:
    """Raises LakeError if a table of several steps a day lacks one that lies in a window which has ended."""
    moments, lake, table = Moments.of(rows), scope.environment.lake, lake_table(scope, rows)
    ended = [window for _, window in windows if window.end <= scope.environment.now()]
    if not moments.shorter_than_a_day or not ended:
        return
    held = held_moments(scope, rows, lake.partitions(table) | materialized, lake.version(table)).times
    needed = series(sorted({at for window in ended for at in moments.within(window)}))
    missing = needed.filter(~needed.is_in(held.implode()))
    if len(missing):
        verb = "computed" if isinstance(rows, FeatureView) else "ingested"
        step = moments.step(missing[0])
        raise LakeError(
            f"{rows.where} has not {verb} {step.start:%Y-%m-%d %H:%M} to {step.end:%H:%M} (nor {len(missing) - 1} "
            f"later steps), and this run reads it. Materialize partition {moments.names(rows, step.end)[0]} of "
            f"{table} again first, or both in one run."
        )


def describe_missing_history(
    scope: Scope, view: FeatureView, windows: Windows, materialized: Callable[[ViewInput], Set[str]]
) -> str | None:
    """One sentence that names the partitions before the windows that the view reads and that its input lacks.

    None if all are there. They are no error: the features of the first days of a history are computed without them too.
    """
    rows = view.source
    if not windows or not (isinstance(rows, FeatureView) or rows.ingested):
        return None
    end = min(window.start for _, window in windows)
    first_end = min(at for _, window in windows for at in Moments.of(view).within(window))
    start = moment(rows.root.start) if view.lookback is None else first_end - view.lookback
    needed = partitions_overlapping(rows, start, end)
    missing = needed - scope.environment.lake.partitions(lake_table(scope, rows))
    missing = sorted(missing - materialized(rows)) if missing else []
    if not missing:
        return None
    listed = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]} ({len(missing)} partitions)"
    return (
        f"{view.where} also reads rows from before {end:%Y-%m-%d}, and {rows.where} lacks {listed}. Its features are "
        f"computed without these rows. If the rows exist, materialize {lake_table(scope, rows)} for those partitions: "
        "the next run then corrects the features."
    )

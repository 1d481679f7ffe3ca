"""The part of today that the ingestion of a source with several steps a day reads, and the identity of its write."""

from datetime import datetime

from mlp_assets.features.moments.held_moments import HeldMoments
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.cadence import DAY, Moments
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Transaction

_APPLICATION = "ingestion"


def next_ingestion(scope: Scope, source: Source) -> Transaction | None:
    """The transaction of the next write; None for a source whose partitions are ingested whole."""
    if not Moments.of(source).shorter_than_a_day:
        return None
    number = scope.environment.lake.transaction(lake_table(scope, source), _APPLICATION) or 0
    return Transaction(_APPLICATION, number + 1, number)


def passed_windows(source: Source, windows: Windows, held: HeldMoments, now: datetime) -> Windows:
    """The windows; of a source with several steps a day, the part of each that has passed in whole steps.

    A day before them that lacks its last steps, because the run after midnight was missing, is ingested too.
    """
    moments = Moments.of(source)
    if not moments.shorter_than_a_day:
        return windows
    first = windows[0][1].start
    before = Window(first - DAY, first)
    partial = 0 < len(held.within(before)) < DAY // moments.every
    until = moments.floor(now)
    if len(held.times):
        until = max(until, held.times[-1])  # by a clock that went back, rows would be missing
    return [
        (name, Window(window.start, max(window.start, min(window.end, until))))
        for name, window in [*([(f"{before.start:%Y-%m-%d}", before)] if partial else []), *windows]
    ]

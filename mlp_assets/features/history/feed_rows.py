"""How many rows each partition of a source brought, by the time at which they became known."""

from collections.abc import Sequence, Set
from datetime import timedelta

import polars as pl

from mlp_assets.features.compute.usual_rows import BEFORE, FEWEST, FeedRows, judged_rows
from mlp_assets.features.source_rows import event_rows, lake_table
from mlp_assets.nouns.cadence import DAY, Moments
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.orchestration.scope import Scope


def rows_ingested(scope: Scope, source: Source, windows: Windows, materialized: Set[str]) -> list[FeedRows]:
    """How many rows an ingested source brought for each of the windows."""
    rows = scope.environment.lake.scan(lake_table(scope, source)).group_by("partition").agg(rows=pl.len())
    counts = dict(rows.collect(engine="streaming").iter_rows())
    judged = _ended(scope, windows)
    return list(judged_rows(dict.fromkeys({*materialized, *judged}, 0) | counts, judged))


def rows_in_place(scope: Scope, view: FeatureView, windows: Windows, version: int | None) -> list[FeedRows]:
    """The same for a source that is read in place: the newest of the windows, and the 28 partitions before it."""
    judged = _ended(scope, windows)[-1:]
    if not judged:
        return []
    length = Moments.of(view).partition
    end = Moments.of(view).named(judged[0]).end
    first = max(Moments.of(view).start, end - (BEFORE + 1) * length)
    known, edge = pl.col("known_at"), timedelta(microseconds=1)
    read = event_rows(scope, view.source, version).filter(known.is_between(pl.lit(first), pl.lit(end - edge)))
    day = pl.lit(first) + (known - pl.lit(first)).dt.total_days() // length.days * pl.duration(days=length.days)
    counted = read.group_by(partition=day.dt.strftime("%Y-%m-%d")).agg(rows=pl.len())
    counts = dict(counted.collect(engine="streaming").iter_rows())
    names = [f"{first + number * length:%Y-%m-%d}" for number in range((end - first) // length)]
    return list(judged_rows(dict.fromkeys(names, 0) | counts, judged))


def describe_unusual(source: Source, judged: Sequence[FeedRows]) -> str | None:
    """What is unusual, and what to do; None if nothing is."""
    found = [each for each in judged if each.unusual]
    if not found:
        return None
    worst = min(found, key=lambda each: (each.rows, each.partition))
    others = f" {len(found) - 1} other partitions are unusual too." if len(found) > 1 else ""
    return (
        f"{source.where} brought {worst.rows:,} rows for {worst.partition}; the {worst.before} partitions before it "
        f"let expect {worst.low:,} to {worst.high:,}.{others} Look whether its feed is whole. If it is not, "
        "materialize the partition again when it is: features count what is there."
    )


def rows_facts(judged: Sequence[FeedRows]) -> dict[str, int | str]:
    """Metadata of the check: how many partitions were judged, and the newest of them. The web UI plots the numbers."""
    counted: dict[str, int | str] = {"judged": len(judged), "unusual": sum(each.unusual for each in judged)}
    if not judged:
        return counted | {"message": f"Not judged: no partition that has ended has {FEWEST} before it."}
    last = judged[-1]
    return counted | {"partition": last.partition, "rows": last.rows, "usual_from": last.low, "usual_to": last.high}


def _ended(scope: Scope, windows: Windows) -> list[str]:
    now = scope.environment.now()
    return [name for name, window in windows if window.end - window.start >= DAY and window.end <= now]

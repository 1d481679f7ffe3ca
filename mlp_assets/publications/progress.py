"""How far a view's table has come: its computed moments, and until when what became known is in it.

Each write of the table notes it with the commit. A publication takes the rows of these moments alone. So a moment whose
source was not ingested yet is never seen by a request, however early its partition was computed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from mlp_assets.nouns.cadence import span_of
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.events import UTC_TIME
from mlp_assets.tables.standing_rows import are_standing, up_to, within_spans
from mlp_resources.ports.lake import Lake, Table

Span = tuple[datetime, datetime]
_NOTE = "progress"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Progress:
    """How far a table has come.

    Args:
        known_until: what became known up to this time is in the rows.
        spans: (first, last) of each run of computed moments without a hole, in order.
    """

    known_until: datetime
    spans: tuple[Span, ...]

    def to_notes(self) -> dict[str, str]:
        """The note to leave with a write."""
        facts = {"known_until": self.known_until.isoformat(), "moments": spans_to_text(self.spans)}
        return {_NOTE: json.dumps(facts)}

    def publishable(self, view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of computed moments that were known by then."""
        of_moments = within_spans(rows, self.spans)
        if are_standing(rows):
            return up_to(of_moments, self.known_until, duration(view.every))
        return of_moments.filter(pl.col("known_at") <= pl.lit(self.known_until))


def read_progress(lake: Lake, table: Table, version: int | None) -> Progress | None:
    """The progress at a version; None if the table was written by an earlier release, or does not exist."""
    note = lake.notes(table, version).get(_NOTE) if version is not None else None
    if note is None:
        return None
    facts = json.loads(note)
    return Progress(datetime.fromisoformat(facts["known_until"]), spans_from_text(facts["moments"]))


NO_SPANS: Final = "[]"  # what ``spans_to_text`` makes of none


def last_moment(column: str) -> pl.Expr:
    """The last moment of each text that ``spans_to_text`` made of some spans."""
    return pl.col(column).str.extract(r'"([^"]+)"\]\]$').str.to_datetime("%+", time_unit="us", time_zone="UTC")


def spans_to_text(spans: Iterable[Span]) -> str:
    return json.dumps([[first.isoformat(), last.isoformat()] for first, last in spans])


def spans_from_text(text: str) -> tuple[Span, ...]:
    return tuple((datetime.fromisoformat(first), datetime.fromisoformat(last)) for first, last in json.loads(text))


def complete_moments(
    view: FeatureView, moments: pl.Series, ingested: pl.Series | None, below: Progress | None
) -> tuple[Span, ...]:
    """The moments for which the source had all that belongs to them.

    A view may have a shorter cadence than its source. Its moments are then computed before the source's step around
    them is ingested, and again afterwards.

    Args:
        moments: the computed moments of the view, sorted.
        ingested: ends of the ingested steps of a source that the project ingests; None for any other.
        below: the progress of the view that is the source; None for any other.
    """
    every, _, _ = span_of(view)
    frame = moments.rename("moment").to_frame()
    if ingested is not None:
        frame = frame.filter(_around(view).is_in(ingested.implode()))
    if below is not None:
        held = [_around(view).is_between(pl.lit(first), pl.lit(last)) for first, last in below.spans]
        frame = frame.filter(pl.any_horizontal(pl.lit(value=False), *held))
    return spans_of(frame["moment"], every)


def _around(view: FeatureView) -> pl.Expr:
    """The end of the source's step that a moment lies in, or ends with."""
    length, start, _ = span_of(view.source)
    since = (pl.col("moment") - pl.lit(start).cast(UTC_TIME)).dt.total_microseconds()
    steps = -(-since // (length // _MICROSECOND))
    return pl.lit(start).cast(UTC_TIME) + steps * pl.lit(length).cast(pl.Duration("us"))


def spans_of(moments: pl.Series, every: timedelta) -> tuple[Span, ...]:
    """The runs of sorted moments that follow each other by ``every``."""
    gap = pl.col("moment").diff().fill_null(every) != pl.lit(every)
    runs = moments.rename("moment").to_frame().group_by(gap.cum_sum().alias("run"), maintain_order=True)
    spans = runs.agg(first=pl.col("moment").first(), last=pl.col("moment").last())
    return tuple((_utc(first), _utc(last)) for _, first, last in spans.iter_rows())


def moments_of(spans: Iterable[Span], every: timedelta) -> pl.Series:
    """The moments of the spans, as ``spans_of`` takes them."""
    runs = [pl.datetime_range(*span, every, time_unit="us", time_zone="UTC", eager=True) for span in spans]
    return pl.concat([pl.Series([], dtype=UTC_TIME), *runs]).alias("moment")


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)

"""What a publication leaves in its note for the next one, which may then change rows instead of replacing all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.publications.progress import Progress, Span, spans_from_text, spans_to_text
from mlp_assets.tables.standing_rows import are_standing
from mlp_resources.ports.lake import Lake, Table

_KEY = "base"


@dataclass(frozen=True)
class PublishableTable:
    """A version of a view's table, as a publication shows it.

    Args:
        version: None if the table does not exist.
        progress: of the version.
        now: when the publication began.
    """

    lake: Lake
    table: Table
    view: FeatureView
    version: int | None
    progress: Progress
    now: datetime

    @property
    def rows(self) -> pl.LazyFrame:
        """All rows of the version, those that a publication leaves out too."""
        return self.lake.scan(self.table, self.version)

    @property
    def every(self) -> timedelta:
        return duration(self.view.every)

    @property
    def seen_until(self) -> datetime:
        """The publication shows what became known up to this time."""
        return min(self.now, self.progress.known_until)

    @property
    def newest(self) -> datetime | None:
        """The newest moment that it shows, whether an entity has a row of it or not."""
        seen = [(first, last) for first, last in self.progress.spans if first <= self.seen_until]
        if not seen:
            return None
        first, last = seen[-1]
        return first + (min(last, self.seen_until) - first) // self.every * self.every

    def origin(self) -> dict[str, Any]:
        """What two publications have in common whose rows may be compared."""
        created = self.lake.created(self.table)
        return {"table": str(self.table), "created": str(created), "ttl": self.view.ttl, "every": self.view.every}


@dataclass(frozen=True)
class OnlineBase:
    """A publication of a table with standing rows.

    Args:
        origin: of the table.
        version: of the table.
        seen_until: it shows what became known up to this time.
        spans: the table's moments that it shows.
        newest: the newest of them. The table has a row of it.
        oldest: the time of the oldest row online that is older than ``newest``, or earlier; None if there is none.
        unseen: when the next row of these moments becomes known, or earlier; None if no such row is in the table.
    """

    origin: Mapping[str, Any]
    version: int
    seen_until: datetime
    spans: tuple[Span, ...]
    newest: datetime
    oldest: datetime | None
    unseen: datetime | None

    def to_note(self) -> dict[str, Any]:
        facts = {
            "origin": self.origin, "version": self.version, "seen_until": self.seen_until.isoformat(),
            "spans": spans_to_text(self.spans), "newest": self.newest.isoformat(),
            "oldest": self.oldest and self.oldest.isoformat(), "unseen": self.unseen and self.unseen.isoformat(),
        }  # fmt: skip
        return {_KEY: facts}


def read_base(note: str | None) -> OnlineBase | None:
    """The base in the note of the publication that is online; None if it has none."""
    facts = json.loads(note).get(_KEY) if note else None
    if facts is None:
        return None
    oldest, unseen = (facts[name] and datetime.fromisoformat(facts[name]) for name in ("oldest", "unseen"))
    return OnlineBase(
        facts["origin"],
        facts["version"],
        datetime.fromisoformat(facts["seen_until"]),
        spans_from_text(facts["spans"]),
        datetime.fromisoformat(facts["newest"]),
        oldest,
        unseen,
    )


def base_of_all(target: PublishableTable, published: pl.DataFrame) -> OnlineBase | None:
    """The base that a publication of all rows leaves; None if the next one has to publish all rows too.

    Args:
        published: its rows.
    """
    newest, version = target.newest, target.version
    if version is None or newest is None or not are_standing(target.rows):
        return None
    if published["event_time"].max() != newest:
        return None
    later = target.rows.filter(pl.col("event_time") <= newest, pl.col("known_at") > target.seen_until)
    unseen = later.select(pl.col("known_at").min()).collect().item()
    oldest = oldest_before(newest, published)
    return OnlineBase(target.origin(), version, target.seen_until, target.progress.spans, newest, oldest, unseen)


def oldest_before(newest: datetime, rows: pl.DataFrame) -> datetime | None:
    """The time of the oldest of the rows that are older than the newest moment; None if there is none."""
    return rows.select(pl.col("event_time").filter(pl.col("event_time") < newest).min()).item()

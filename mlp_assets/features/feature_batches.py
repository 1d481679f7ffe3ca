"""A view's partitions computed piece by piece, here or on other machines, each piece within a bound of memory."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.partitions import Windows
from mlp_assets.tables.sharding import width


@dataclass(frozen=True)
class Piece:
    """Partitions whose rows fit in memory; their entities are gone through in so many ``buckets``, one at a time."""

    windows: Windows
    buckets: int = 1


@dataclass(frozen=True)
class PieceWork:
    """Computes one piece: plain data, so that another process can do it too."""

    view: FeatureView
    events: pl.LazyFrame

    def __call__(self, piece: Piece) -> pl.DataFrame:
        """The feature rows with their ``partition``, sorted by partition, key and version."""
        names = {window.end: name for name, window in piece.windows}
        keys, moments = list(self.view.entity.keys), list(names)
        parts = [self.events]
        if piece.buckets > 1:
            bucket = pl.struct(keys).hash() % piece.buckets
            parts = [self.events.filter(bucket == number) for number in range(piece.buckets)]
        frame = pl.concat([feature_rows(self.view, part, moments) for part in parts])
        frame = frame.sort("event_time", *keys, "known_at") if piece.buckets > 1 else frame
        named = pl.DataFrame({"event_time": moments, "partition": list(names.values())})
        named = named.cast({"event_time": frame.schema["event_time"]})
        return frame.join(named, on="event_time", how="left", maintain_order="left")


def pieces_of(view: FeatureView, events: pl.LazyFrame, windows: Windows, most_bytes: int) -> list[Piece]:
    """Pieces of about ``most_bytes`` at most, in the order of time: one for a small input.

    A piece reads the events within reach of its moments, so one entity with a third of the rows is cut in time as any
    other is; where a single moment needs more, its entities are cut too.
    """
    ordered = sorted(windows, key=lambda named: named[1].end)
    first, last, every = ordered[0][1].end, ordered[-1][1].end, duration(view.every)
    far = view.reach
    read, rows = _bytes_read(view, events, first - far if far is not None else None, last)
    entities = _entities(view, events, first - far if far is not None else None, last) if rows else 0
    made = entities * 8 * (len(view.entity.keys) + len(view.feature_names) + 3)
    if read + made * len(ordered) <= most_bytes:
        return [Piece(ordered)]
    base = read if far is None else read * (far / (last - first + far))
    each = made + (0.0 if far is None else read * (every / (last - first + far)))
    count = max(1, int((most_bytes - base) // each)) if each else len(ordered)
    buckets = max(1, -(-int(base + each) // most_bytes))
    return [Piece(ordered[place : place + count], buckets) for place in range(0, len(ordered), count)]


def _within(view: FeatureView, events: pl.LazyFrame, first: datetime | None, last: datetime) -> pl.LazyFrame:
    time = pl.col(view.source.event_time)
    return events.filter(time < last, *([time >= first] if first is not None else []))


def _bytes_read(view: FeatureView, events: pl.LazyFrame, first: datetime | None, last: datetime) -> tuple[int, int]:
    read = [*view.entity.keys, view.source.event_time, *(column for part in view.parts for column in part.columns)]
    rows = _within(view, events, first, last).select(pl.len()).collect(engine="streaming").item()
    return rows * (width(events.select(*dict.fromkeys(read))) + 3 * 8), rows


def _entities(view: FeatureView, events: pl.LazyFrame, first: datetime | None, last: datetime) -> int:
    keys = pl.struct(view.entity.keys).hash().approx_n_unique()
    return _within(view, events, first, last).select(keys).collect(engine="streaming").item()

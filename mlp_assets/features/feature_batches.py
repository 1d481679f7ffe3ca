"""Batches of a view's partitions: each fits in memory, and any process can compute it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlp_assets.features.compute.windows import changes_with_time, feature_rows, standing_rows
from mlp_assets.features.moments.moments_to_compute import PartitionMoments
from mlp_assets.nouns.cadence import Moments
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.tables.sharding import schema_row_bytes


@dataclass(frozen=True)
class FeatureBatch:
    """Partitions to compute together.

    Args:
        buckets: the number of groups into which the entities are split; one group is in memory at a time.
    """

    parts: tuple[PartitionMoments, ...]
    buckets: int = 1

    @property
    def names(self) -> dict[datetime, str]:
        """Moment to compute -> its partition."""
        return {at: part.name for part in self.parts for at in part.compute}


@dataclass(frozen=True)
class BatchWork:
    """Computes a batch of a view from its events. Holds plain data only, so another process can run it."""

    view: FeatureView
    events: pl.LazyFrame

    def __call__(self, batch: FeatureBatch) -> pl.DataFrame:
        """The feature rows with their ``partition``, sorted by moment, key and ``known_at``."""
        keys, moments = list(self.view.entity.keys), list(batch.names)
        if not moments:
            return self._rows(self.events.clear(), [moment(self.view.root.start)]).with_columns(partition=pl.lit(""))
        groups = [self.events]
        if batch.buckets > 1:
            bucket = pl.struct(keys).hash() % batch.buckets
            groups = [self.events.filter(bucket == number) for number in range(batch.buckets)]
        frame = pl.concat([self._rows(group, moments) for group in groups])
        frame = frame.sort("event_time", *keys, "known_at") if batch.buckets > 1 else frame
        partitions = pl.DataFrame({"event_time": moments, "partition": list(batch.names.values())})
        partitions = partitions.cast({"event_time": frame.schema["event_time"]})
        return frame.join(partitions, on="event_time", how="left", maintain_order="left")

    def _rows(self, events: pl.LazyFrame, moments: list[datetime]) -> pl.DataFrame:
        compute = standing_rows if Moments.of(self.view).shorter_than_a_day else feature_rows
        return compute(self.view, events, moments)


def batches_of(
    view: FeatureView, events: pl.LazyFrame, parts: Sequence[PartitionMoments], most_bytes: int
) -> list[FeatureBatch]:
    """Batches of at most about ``most_bytes``, in order of time; one batch for a small input.

    A batch reads the events within reach of its moments. So cutting in time bounds an entity with a third of all rows
    too. If a single partition needs more than ``most_bytes``, its entities are split into buckets as well.
    """
    ordered = tuple(sorted(parts, key=lambda part: part.name))
    moments = sorted(at for part in ordered for at in part.compute)
    if not moments:
        return [FeatureBatch(ordered)]
    first, last, every = moments[0], moments[-1], duration(view.every)
    reach = view.reach
    oldest = first - reach if reach is not None else None
    read, rows = _bytes_read(view, events, oldest, last)
    largest = max(len(part.compute) for part in ordered)

    def written_by(entities: int) -> float:
        return _rows_written(view, entities, rows / len(ordered), largest) * _row_bytes(view)

    if read + written_by(rows) * len(ordered) <= most_bytes:  # whoever counts entities reads all rows
        return [FeatureBatch(ordered)]
    written = written_by(_entities(view, events, oldest, last) if rows else 0)
    if read + written * len(ordered) <= most_bytes:
        return [FeatureBatch(ordered)]
    base = read if reach is None else read * (reach / (last - first + reach))
    each = written + (0.0 if reach is None else read * (largest * every / (last - first + reach)))
    count = max(1, int((most_bytes - base) // each)) if each else len(ordered)
    buckets = max(1, -(-int(base + each) // most_bytes))
    return [FeatureBatch(ordered[place : place + count], buckets) for place in range(0, len(ordered), count)]


def _rows_written(view: FeatureView, entities: int, events: float, moments: int) -> float:
    """About the most rows of a partition with so many moments: a row for each entity at its first moment, and one where
    an event enters or leaves a window; or a row for each moment.
    """
    each_moment = float(entities * moments)
    if changes_with_time(view):
        return each_moment
    windows = {part.window for part in view.parts}
    return min(each_moment, entities + events * (1 + len(windows)))


def _row_bytes(view: FeatureView) -> int:
    return 8 * (len(view.entity.keys) + len(view.feature_names) + 3)


def _within(view: FeatureView, events: pl.LazyFrame, first: datetime | None, last: datetime) -> pl.LazyFrame:
    time = pl.col(view.source.event_time)
    return events.filter(time < last, *([time >= first] if first is not None else []))


def _bytes_read(view: FeatureView, events: pl.LazyFrame, first: datetime | None, last: datetime) -> tuple[int, int]:
    """(bytes, rows) that the view reads of the events from ``first`` to ``last``."""
    read = [*view.entity.keys, view.source.event_time, *(column for part in view.parts for column in part.columns)]
    rows = _within(view, events, first, last).select(pl.len()).collect(engine="streaming").item()
    return rows * (schema_row_bytes(events.select(*dict.fromkeys(read))) + 3 * 8), rows


def _entities(view: FeatureView, events: pl.LazyFrame, first: datetime | None, last: datetime) -> int:
    keys = pl.struct(view.entity.keys).hash().approx_n_unique()
    return _within(view, events, first, last).select(keys).collect(engine="streaming").item()

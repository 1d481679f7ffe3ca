"""What a batch reads of a view is what a look-up would have read, had the view been published at the row's own time."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_assets.batch_scores.published_rows import PublishedRows
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.online_reader import EXPIRED, FINE, PARTIAL, UNKNOWN, ViewReader
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.tables.as_of_join import join_frame_as_visible
from mlp_assets.tables.expiry import microseconds
from mlp_assets.tables.standing_rows import UNTIL, merge_alike
from mlp_resources.online.lmdb import LmdbOnlineStore
from tests.support import samples

START, TIME = datetime(2024, 1, 1, tzinfo=UTC), pl.Datetime("us", "UTC")
NAMES = ("spend", "visits")
versions = itertools.count(1)
days = st.integers(0, 12)
values = st.none() | st.sampled_from([0.0, -0.0, 1.5])
# (user, day of the event, days until it was known, features)
feature_rows = st.lists(st.tuples(st.integers(0, 3), days, st.integers(0, 3), values, values), max_size=12)


def table(rows: list[tuple[Any, ...]]) -> pl.LazyFrame:
    frame = pl.DataFrame(rows, schema=["user_id", "day", "late", *NAMES], orient="row", strict=False)
    frame = frame.cast(
        {"user_id": pl.Int64, "day": pl.Int64, "late": pl.Int64, "spend": pl.Float64, "visits": pl.Float64}
    )
    event = (pl.lit(START) + pl.duration(days="day")).cast(TIME)
    known = event + pl.duration(days="late")
    ready = frame.select("user_id", *NAMES, event_time=event, known_at=known)
    return ready.unique(["user_id", "event_time", "known_at"], maintain_order=True).lazy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("view")


def hourly(rows: pl.LazyFrame) -> pl.DataFrame:
    """The same rows with an hour for a day; as few as can be."""
    times = {name: START + (pl.col(name) - START) / 24 for name in ("event_time", "known_at")}
    frame = rows.with_columns(**times).with_columns(pl.col("event_time").alias(UNTIL)).collect()
    return merge_alike(frame, ["user_id"], NAMES, timedelta(hours=1))


asked_times = st.lists(st.tuples(days, st.integers(-1, 1)), min_size=1, max_size=4)


@given(feature_rows, asked_times, st.sampled_from([2, 4, None]), st.booleans())
def test_a_batch_reads_what_a_publication_holds(
    folder: Path, stored: list[tuple[Any, ...]], asked: list[tuple[int, int]], ttl: int | None, by_hour: bool
) -> None:
    unit, length = ("h", timedelta(hours=1)) if by_hour else ("d", timedelta(days=1))
    view = samples.view(ttl=None if ttl is None else f"{ttl}{unit}", every=f"1{unit}")
    rows, users = table(stored), [0, 1, 2, 3, 9]
    rows = hourly(rows).lazy() if by_hour else rows
    times = sorted({START + day * length + timedelta(microseconds=off) for day, off in asked})
    spine = pl.DataFrame({"at": times}, schema={"at": TIME}).join(pl.DataFrame({"user_id": users}), how="cross")
    batch = PublishedRows.of(view, rows, 7).between(times[0], times[-1])
    read = batch.read(join_frame_as_visible(spine, "at", [batch.table], narrowed=True))
    for number, at in enumerate(times):
        live = look_up(folder, view, rows, users, at)
        mine = slice(number * len(users), (number + 1) * len(users))
        assert read.reasons[mine].tolist() == live.reasons.tolist()
        assert read.values[mine].view(np.uint64).tolist() == np.asarray(live.values).view(np.uint64).tolist()
    assert read.version == 7


def look_up(folder: Path, view: Any, rows: pl.LazyFrame, users: list[int], at: datetime) -> Any:
    store, location = LmdbOnlineStore(folder), str(folder)
    published = newest_rows(view, rows, at)
    store.publish(location, ["user_id"], list(NAMES), published, version=next(versions))
    reader = ViewReader(ViewPlan.of(view, location), store.open_view(location))
    return reader.read_many([(user,) for user in users], microseconds(at))


def test_every_reason_has_its_case() -> None:
    view = samples.view(ttl="4d")
    rows = table([(1, 5, 0, 1.0, 2.0), (2, 1, 0, 1.0, None), (3, 5, 0, 1.0, None), (4, 5, 0, None, None)])
    at = START + timedelta(days=5)
    spine = pl.DataFrame(
        {"user_id": [1, 2, 3, 4, 1], "at": [at] * 4 + [at + timedelta(days=6)]}, schema_overrides={"at": TIME}
    )
    batch = PublishedRows.of(view, rows, 7)
    read = batch.read(join_frame_as_visible(spine, "at", [batch.table], narrowed=True))
    assert read.reasons.tolist() == [FINE, PARTIAL, PARTIAL, UNKNOWN, EXPIRED]

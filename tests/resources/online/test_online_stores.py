"""Every online store behaves alike: a read returns one publication, to the last bit, for any keys."""

import itertools
import math
import struct
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp_assets.errors import MlpError
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.redis import RedisOnlineStore
from mlp_resources.online.rows import pack_key, pack_rows
from mlp_resources.ports.serving import OnlineStore, StalePublicationError
from tests.support.reading_threads import read_all_along
from tests.support.redis_server import NEEDED

AT = datetime(2024, 1, 1, tzinfo=UTC)
KEYS, FEATURES = ["user_id", "category"], ["spend", "visits"]
names = (f"view_{number}" for number in itertools.count())


def new_location(store: OnlineStore) -> str:
    return store.location("shop", next(names))


def rows(spend: float, count: int = 2) -> pl.DataFrame:
    data = {"user_id": range(1, count + 1), "category": ["a", "b"] * (count // 2), "spend": [spend] * count}
    return pl.DataFrame(
        data | {"visits": [1.0, None] * (count // 2)}, schema_overrides={"spend": pl.Float64}
    ).with_columns(event_time=pl.lit(AT))


def publish(store: OnlineStore, frame: pl.DataFrame, version: int, location: str | None = None) -> str:
    location = location or new_location(store)
    store.publish(location, KEYS, FEATURES, frame, version=version)
    return location


def test_a_read_returns_the_published_rows(store: OnlineStore) -> None:
    view = store.open_view(publish(store, rows(3.0), 4))
    values, times, found, version = view.get_many([(1, "a"), (2, "b"), (1, "ab")])
    assert (values[0].tolist(), found.tolist(), version) == ([3.0, 1.0], [True, True, False], 4)
    assert np.isnan([values[1, 1], *values[2]]).all()
    assert times[:2].tolist() == [int(AT.timestamp()) * 1_000_000] * 2
    assert view.features == ("spend", "visits")
    assert view.get_one((1, "a")) == ((3.0, 1.0), times[0], 4)
    unknown = view.get_one((9, "a"))
    assert unknown.time is None
    assert all(map(math.isnan, unknown.values))


def test_a_publication_replaces_every_row(store: OnlineStore) -> None:
    location = publish(store, rows(3.0), 4)
    view = store.open_view(location)
    publish(store, rows(5.0).head(1), 5, location)
    values, _, found, version = view.get_many([(1, "a"), (2, "b")])
    assert (values[0, 0], found.tolist(), version) == (5.0, [True, False], 5)
    publish(store, rows(5.0).clear(), 6, location)
    assert view.get_many([(1, "a")]).found.tolist() == [False]


def test_an_older_version_is_refused_and_an_equal_one_is_not(store: OnlineStore) -> None:
    location = publish(store, rows(3.0), 4)
    with pytest.raises(StalePublicationError, match="version 4 is online, and version 3 is older"):
        publish(store, rows(1.0), 3, location)
    view = store.open_view(location)
    assert view.get_one((1, "a")).values[0] == 3.0
    publish(store, rows(7.0), 4, location)
    assert view.get_one((1, "a")).values[0] == 7.0


def test_a_view_that_is_not_online_says_what_to_do(store: OnlineStore) -> None:
    with pytest.raises(MlpError, match="is not online yet. Materialize its online asset"):
        store.open_view(new_location(store))


def test_a_removed_view_is_not_online_and_can_be_published_again(store: OnlineStore) -> None:
    location, other = publish(store, rows(3.0), 4), publish(store, rows(5.0), 4)
    store.remove(location)
    store.remove(location)  # again, which changes nothing
    with pytest.raises(MlpError, match="is not online yet. Materialize its online asset"):
        store.open_view(location)
    assert store.note(location) is None
    assert store.open_view(other).get_one((1, "a")).values[0] == 5.0
    publish(store, rows(1.0), 2, location)  # an older version is not refused: nothing is online
    assert store.open_view(location).get_one((1, "a")).values[0] == 1.0


def test_a_reader_gets_its_features_when_the_publication_has_others(store: OnlineStore) -> None:
    location = publish(store, rows(3.0), 1)
    view = store.open_view(location, ["visits", "spend"])
    assert view.get_many([(1, "a")]).values.tolist() == [[1.0, 3.0]]
    wider = rows(4.0).with_columns(more=pl.lit(9.0))
    store.publish(location, KEYS, ["more", *FEATURES], wider, version=2)
    assert view.get_many([(1, "a")]).values.tolist() == [[1.0, 4.0]]
    assert view.get_one((1, "a")).values == (1.0, 4.0)
    store.publish(location, KEYS, ["more", "spend"], wider, version=3)
    with pytest.raises(MlpError, match="online without its feature 'visits'; it has 'more', 'spend'"):
        view.get_one((1, "a"))


def test_two_rows_with_one_key_are_refused_before_anything_changes(store: OnlineStore) -> None:
    location = publish(store, rows(3.0), 1)
    with pytest.raises(MlpError, match=r"Two rows have the key \{'user_id': 1, 'category': 'a'\}"):
        publish(store, pl.concat([rows(4.0), rows(4.0)]), 2, location)
    assert store.open_view(location).get_one((1, "a")) == ((3.0, 1.0), int(AT.timestamp()) * 1_000_000, 1)


def test_readers_see_whole_publications_while_new_ones_go_online(store: OnlineStore) -> None:
    count, location = 400, new_location(store)
    publish(store, rows(0.0, count), 0, location)
    view, seen = store.open_view(location), threading.local()
    keys = [(user, "ab"[1 - user % 2]) for user in range(1, count + 1, 7)]
    mixed: list[object] = []
    reads: list[int] = []

    def read() -> None:
        last = getattr(seen, "last", 0)
        values, _, found, version = view.get_many(keys)
        if not found.all() or set(values[:, 0].tolist()) != {float(version)} or version < last:
            mixed.append((version, last, values[:, 0]))
        seen.last = version
        reads.append(view.get_one(keys[0]).version)

    with read_all_along(read) as raised:
        for version in range(1, 40):
            publish(store, rows(float(version), count), version, location)
    assert (mixed, raised) == ([], [])
    assert len(set(reads)) > 3


words = st.text(max_size=4) | st.sampled_from(["", "x" * 600, "a\x00b", "\x00", "\x00\xff"])
numbers = st.integers(-(2**63), 2**63 - 1)
times = st.integers(-(10**15), 10**15).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
tables = st.lists(
    st.tuples(numbers, words, st.none() | st.floats(), st.none() | st.floats(), times),
    max_size=8, unique_by=lambda row: row[:2],
)  # fmt: skip


@NEEDED
@given(tables, st.lists(st.tuples(numbers, words), max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_stores_return_the_published_bits(
    server: str, tmp_path_factory: pytest.TempPathFactory, table: list[tuple[Any, ...]], others: list[tuple[Any, ...]]
) -> None:
    kinds = {"user_id": pl.Int64, "category": pl.String, "spend": pl.Float64, "visits": pl.Float64}
    frame = pl.DataFrame(table, schema=kinds | {"event_time": pl.Datetime("us", "UTC")}, orient="row")
    asked = [row[:2] for row in table] + others
    expected = {row[:2]: [math.nan if value is None else value for value in row[2:4]] for row in table}
    read = []
    for store in (LmdbOnlineStore(tmp_path_factory.mktemp("lmdb")), RedisOnlineStore(server)):
        view = store.open_view(publish(store, frame, 1))
        many = view.get_many(asked)
        assert many.found.tolist() == [key in expected for key in asked]
        single = [view.get_one(key) for key in asked]
        assert [struct.pack("2d", *row.values) for row in single] == [row.tobytes() for row in many.values]
        read.append((many.values.tobytes(), many.times.tolist(), many.found.tolist()))
    assert read[0] == read[1]
    wanted = [expected.get(key, [math.nan] * 2) for key in asked]
    assert read[0][0] == np.array(wanted, dtype=np.float64).reshape(len(asked), 2).tobytes()


@given(st.lists(st.tuples(numbers, numbers), max_size=8, unique=True))
def test_columns_of_integers_are_packed_like_single_keys(table: list[tuple[int, int]]) -> None:
    frame = pl.DataFrame(table, schema={"a": pl.Int64, "b": pl.Int64}, orient="row")
    frame = frame.with_columns(event_time=pl.lit(AT), spend=pl.lit(1.0))
    packed, _ = pack_rows(["a", "b"], ["spend"], frame)
    assert packed == sorted(map(pack_key, table)) == [pack_key(key) for key in sorted(table)]
    column, _ = pack_rows(["a"], ["spend"], frame.unique("a"))
    assert column == [pack_key((key,)) for key in sorted({key for key, _ in table})]


def test_keys_that_look_alike_differ() -> None:
    different = [
        ("a\x1fb", "c"), ("a", "b\x1fc"), ("ab", "c"), ("a", "bc"), ("a\x00", "b"), ("a", "\x00b"), (1, 2), (12,),
        ("1", "2"), (True, 2), (1.5, 2), (2**63, 2), (2**64, 2), ("", ""), ("",), ("\x00",), (1, "2"),
    ]  # fmt: skip
    assert len({pack_key(key) for key in different}) == len(different)
    assert len(pack_key(("x" * 600, "y"))) < 100
    assert pack_key((0.0,)) == pack_key((-0.0,))

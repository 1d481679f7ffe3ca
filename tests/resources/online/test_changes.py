"""A publication of changes: it changes what it says and nothing else, at once, and only where its base is online."""

import itertools
import os
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp_resources.online import lmdb as online_lmdb
from mlp_resources.online import redis_changes
from mlp_resources.online.lmdb import LmdbOnlineStore
from mlp_resources.online.open_view import open_view
from mlp_resources.online.redis import RedisOnlineStore
from mlp_resources.online.rows import fingerprint
from mlp_resources.ports.serving import Changes, OnlineRows, OnlineStore
from tests.support.reading_threads import read_all_along
from tests.support.redis_server import NEEDED

AT, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
KEYS, FEATURES = ["user_id"], ["spend", "visits"]
SCHEMA: Any = {"user_id": pl.Int64, "spend": pl.Float64, "visits": pl.Float64, "event_time": pl.Datetime("us", "UTC")}
names = (f"changed_{number}" for number in itertools.count())
# Publishes changes over version 1, and kills itself before its nth message, or nth row.
KILLED = """
import os, signal, sys
from pathlib import Path
from redis.connection import AbstractConnection
from mlp_resources.online import lmdb as online_lmdb
from mlp_resources.online.open_view import online_store
from tests.resources.online.test_changes import AT, HOUR, at, change
done = []
def count(item):
    if len(done) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(item)
    return item
pairs, send = online_lmdb._pairs, AbstractConnection.send_packed_command
online_lmdb._pairs = lambda *packed: map(count, pairs(*packed))
def sending(self, command, *rest, **more):
    text = b"".join([command] if isinstance(command, bytes) else list(command))
    if b"CLIENT" not in text and b"HELLO" not in text:
        count(text)
    return send(self, command, *rest, **more)
AbstractConnection.send_packed_command = sending
store = online_store(sys.argv[1].partition("#")[0] if "://" in sys.argv[1] else None, None, Path("unused"))
change(store, sys.argv[1], at(9.0, 2, *range(100)), [], base=1, newest=AT + 2 * HOUR)
print(len(done))
"""


def rows(*table: tuple[int, float, float | None, datetime]) -> pl.DataFrame:
    return pl.DataFrame(table, schema=SCHEMA, orient="row")


def at(spend: float, hours: int, *users: int) -> pl.DataFrame:
    return rows(*((user, spend, None if user % 2 else 1.0, AT + hours * HOUR) for user in users))


def publish(store: OnlineStore, frame: pl.DataFrame, version: int = 1, location: str | None = None) -> str:
    location = location or store.location("shop", next(names))
    store.publish(location, KEYS, FEATURES, frame, version=version, note=lambda: f"note {version}")
    return location


def change(
    store: OnlineStore, location: str, frame: pl.DataFrame, removed: list[int], *, base: int, newest: datetime
) -> int | None:
    changes = Changes(frame, pl.DataFrame({"user_id": removed}, schema={"user_id": pl.Int64}), newest)
    version = base + 1
    return store.publish_changes(
        location, KEYS, FEATURES, changes, base=f"note {base}", version=version, note=lambda: f"note {version}"
    )


def shown(read: OnlineRows) -> list[Any]:
    """(spend, hours after AT) of each key; None without a row."""
    hours = [(time - int(AT.timestamp()) * 1_000_000) / 3_600_000_000 for time in read.times.tolist()]
    answers = zip(read.values[:, 0].tolist(), hours, read.found.tolist(), strict=True)
    return [(spend, hour) if found else None for spend, hour, found in answers]


def read(store: OnlineStore, location: str, *users: int) -> list[Any]:
    view = store.open_view(location)
    many = view.get_many([(user,) for user in users])
    assert [view.get_one((user,)).time for user in users] == [
        time if found else None for time, found in zip(many.times.tolist(), many.found.tolist(), strict=True)
    ]
    return [*shown(many), many.version]


def test_rows_change_and_those_of_the_newest_moment_move_on(store: OnlineStore) -> None:
    location = publish(store, pl.concat([at(1.0, 1, 1, 2, 3, 4), at(1.0, 0, 5)]))
    changed = pl.concat([at(2.0, 3, 2, 6), at(2.0, 2, 3)])
    assert change(store, location, changed, [4, 9], base=1, newest=AT + 3 * HOUR) == 5
    expected = [(1.0, 3.0), (2.0, 3.0), (2.0, 2.0), None, (1.0, 0.0), (2.0, 3.0), None, 2]
    assert read(store, location, 1, 2, 3, 4, 5, 6, 9) == expected
    assert store.note(location) == "note 2"
    assert change(store, location, at(7.0, 4), [], base=2, newest=AT + 4 * HOUR) == 5  # only the time moves on
    assert read(store, location, 1, 3, 5) == [(1.0, 4.0), (2.0, 2.0), (1.0, 0.0), 3]
    publish(store, at(5.0, 5, 1), 4, location)
    assert read(store, location, 1, 3) == [(5.0, 5.0), None, 4]


def test_an_open_reader_sees_the_changes(store: OnlineStore) -> None:
    location = publish(store, at(1.0, 1, 1, 2))
    view = store.open_view(location, ["visits"])
    assert view.get_one((2,)).values == (1.0,)
    change(store, location, rows((2, 3.0, 4.0, AT + 2 * HOUR)), [1], base=1, newest=AT + 2 * HOUR)
    assert (view.get_one((2,)).values, view.get_one((1,)).time) == ((4.0,), None)


def test_nothing_changes_unless_the_base_is_online(store: OnlineStore) -> None:
    nothing = store.location("shop", next(names))
    assert change(store, nothing, at(9.0, 2, 1), [], base=1, newest=AT + 2 * HOUR) is None
    assert store.note(nothing) is None
    location = publish(store, at(1.0, 1, 1, 2))
    assert change(store, location, at(9.0, 2, 1), [2], base=0, newest=AT + 2 * HOUR) is None
    wider = Changes(at(9.0, 2, 1).with_columns(more=pl.lit(1.0)), at(9.0, 2).select(KEYS), AT + 2 * HOUR)
    options: Any = {"base": "note 1", "version": 2, "note": lambda: "note 2"}
    assert store.publish_changes(location, KEYS, [*FEATURES, "more"], wider, **options) is None
    older = Changes(at(9.0, 2, 1), at(9.0, 2).select(KEYS), AT + 2 * HOUR)
    assert store.publish_changes(location, KEYS, FEATURES, older, **options | {"version": 0}) is None
    assert (read(store, location, 1, 2), store.note(location)) == ([(1.0, 1.0), (1.0, 1.0), 1], "note 1")


def test_readers_never_see_a_part_of_the_changes(store: OnlineStore) -> None:
    """At version v, users that 3 divides have v, others what they began with; every time is v."""
    users, location = range(300), publish(store, at(1.0, 1, *range(300)))
    view = store.open_view(location)
    mixed: list[object] = []
    versions: set[int] = set()

    def look_up() -> None:
        found = view.get_many([(user,) for user in users])
        expected = [(found.version if user % 3 == 0 else 1, found.version) for user in users]
        if shown(found) != expected:
            mixed.append(found)
        versions.add(found.version)

    with read_all_along(look_up) as raised:
        for version in range(1, 60):
            frame = at(version + 1.0, version + 1, *range(0, 300, 3))
            assert change(store, location, frame, [], base=version, newest=AT + (version + 1) * HOUR) == 300
    assert (mixed, raised) == ([], [])
    assert len(versions) > 3


def test_a_killed_publisher_changes_nothing_or_all(store: OnlineStore) -> None:
    location, old, new = publish(store, at(1.0, 1, 1, 2)), [(1.0, 1.0), (1.0, 1.0), 1], [(9.0, 2.0), (9.0, 2.0), 2]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", KILLED, location]
    whole = subprocess.run([*command, "10000"], env=environment, capture_output=True, text=True, check=True)
    assert read(store, location, 1, 2) == new
    messages = int(whole.stdout)
    for message in sorted({*range(0, messages, 25), *range(max(0, messages - 4), messages)}):
        store.remove(location)
        publish(store, at(1.0, 1, 1, 2), 1, location)
        killed = subprocess.run([*command, str(message)], env=environment, capture_output=True, check=False)
        assert killed.returncode == -9
        assert read(store, location, 1, 2) == old


moments = st.integers(0, 5)
values = st.none() | st.floats()
tables = st.lists(st.tuples(st.integers(0, 9), values, values, moments), max_size=8, unique_by=lambda row: row[0])


@NEEDED
@given(st.lists(tables, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chains_of_changes_are_publications_of_all_rows(
    server: str, tmp_path_factory: pytest.TempPathFactory, chain: list[list[tuple[Any, ...]]]
) -> None:
    """Each table of a chain changes some users; the rows of the newest moment of the others move on."""
    for store in (LmdbOnlineStore(tmp_path_factory.mktemp("lmdb")), RedisOnlineStore(server)):
        expected, newest = {0: (0.0, 0.0, AT)}, AT
        location = publish(store, rows((0, 0.0, 0.0, AT)), 0)
        for number, table in enumerate(chain):
            moment = AT + (number + 1) * 6 * HOUR
            changed = {row[0]: (row[1], row[2], moment - row[3] * HOUR) for row in table}
            gone = [user for user in range(10) if user not in changed and user % 5 == number]
            kept = {user: row for user, row in expected.items() if user not in gone}
            moved = {user: (*row[:2], moment if row[2] == newest else row[2]) for user, row in kept.items()}
            expected, newest = moved | changed, moment
            frame = rows(*((user, *row) for user, row in changed.items()))
            assert change(store, location, frame, gone, base=number, newest=moment) == len(expected)
            whole = publish(store, rows(*((user, *row) for user, row in expected.items())), number + 1)
            one, other = (store.open_view(each).get_many([(user,) for user in range(10)]) for each in (location, whole))
            assert (one.values.tobytes(), one.times.tolist()) == (other.values.tobytes(), other.times.tolist())
            assert one.found.tolist() == other.found.tolist() == [user in expected for user in range(10)]


@NEEDED
def test_redis_is_not_kept_busy_by_many_changes(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisOnlineStore(server)
    location = publish(store, at(1.0, 1, 1, 2))
    monkeypatch.setattr(redis_changes, "_MOST", 2)
    assert change(store, location, at(2.0, 2, 1, 2), [3], base=1, newest=AT + 2 * HOUR) is None
    assert change(store, location, at(2.0, 2, 1), [3], base=1, newest=AT + 2 * HOUR) == 2


@NEEDED
def test_rows_that_redis_evicted_are_not_changed(server: str) -> None:
    store = RedisOnlineStore(server)
    location = publish(store, at(1.0, 1, *range(20)))
    with redis.Redis.from_url(server) as client:
        name = f"mlp:{location.partition('#')[2]}"
        live = client.get(f"{name}:live")
        assert isinstance(live, bytes)
        hash_name = f"{name}:{live.decode()}"
        client.hdel(hash_name, *client.hkeys(hash_name)[-3:])  # type: ignore[misc, index]
        assert change(store, location, at(2.0, 2, 1), [], base=1, newest=AT + 2 * HOUR) is None
        client.delete(hash_name)
        assert change(store, location, at(2.0, 2, 1), [], base=1, newest=AT + 2 * HOUR) is None
        assert client.get(f"{name}:live") == live


def test_a_file_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    """Its head has no newest moment, and its records hold all times."""
    store = LmdbOnlineStore(tmp_path)
    location = publish(store, pl.concat([at(1.0, 1, 1), at(1.0, 0, 2)]))
    with online_lmdb._open_environment(location).begin(write=True) as writer:
        writer.put(online_lmdb._VERSION, struct.pack("<q8s", 1, fingerprint(KEYS, FEATURES)))
    assert open_view(location).get_one((2,)).time == int(AT.timestamp()) * 1_000_000
    assert np.isnan(open_view(location).get_one((7,)).values).all()
    publish(store, at(3.0, 2, 1), 2, location)
    assert read(store, location, 1, 2) == [(3.0, 2.0), None, 2]

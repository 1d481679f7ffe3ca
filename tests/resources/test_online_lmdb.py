"""The embedded online store: all old until all new, no stale publication, other processes see it at once."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlp_assets.spec.errors import MlpError
from mlp_resources.online_lmdb import LmdbOnlineStore, OnlineView, packed_key
from mlp_resources.ports_serving import StalePublicationError

AT = datetime(2024, 1, 1, tzinfo=UTC)
KEYS, FEATURES = ["user_id", "category"], ["spend", "visits"]
READ = """
import json, sys
from mlp_resources.online_lmdb import OnlineView
values, times, found, version = OnlineView(sys.argv[1]).get_many([(1, "a"), (2, "b"), (1, "ab")])
print(json.dumps([[None if v != v else v for v in row] for row in values] + [found.tolist(), version]))
"""
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
import polars as pl
from mlp_resources import online_lmdb
packed = online_lmdb._packed
def dying(*arguments):
    for number, item in enumerate(packed(*arguments)):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield item
online_lmdb._packed = dying
frame = pl.DataFrame({"user_id": range(1000), "category": ["a"] * 1000, "spend": [9.0] * 1000, "visits": [9.0] * 1000})
frame = frame.with_columns(event_time=pl.lit(datetime(2024, 2, 1, tzinfo=UTC)))
online_lmdb.LmdbOnlineStore().publish(sys.argv[1], ["user_id", "category"], ["spend", "visits"], frame, version=9)
"""


def rows(spend: float) -> pl.DataFrame:
    frame = pl.DataFrame({"user_id": [1, 2], "category": ["a", "b"], "spend": [spend, spend], "visits": [1.0, None]})
    return frame.with_columns(event_time=pl.lit(AT).cast(pl.Datetime("us", "UTC")))


def read(path: Path) -> list[object]:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_another_process_reads_what_was_published(tmp_path: Path) -> None:
    LmdbOnlineStore().publish(str(tmp_path), KEYS, FEATURES, rows(3.0), version=4)
    assert read(tmp_path) == [[3.0, 1.0], [3.0, None], [None, None], [True, True, False], 4]


def test_a_publication_replaces_every_row(tmp_path: Path) -> None:
    store = LmdbOnlineStore()
    store.publish(str(tmp_path), KEYS, FEATURES, rows(3.0), version=4)
    store.publish(str(tmp_path), KEYS, FEATURES, rows(5.0).head(1), version=5)
    assert read(tmp_path) == [[5.0, 1.0], [None, None], [None, None], [True, False, False], 5]


def test_a_stale_publication_is_refused(tmp_path: Path) -> None:
    store = LmdbOnlineStore()
    store.publish(str(tmp_path), KEYS, FEATURES, rows(3.0), version=4)
    with pytest.raises(StalePublicationError, match="version 4 is online already, version 3 is older"):
        store.publish(str(tmp_path), KEYS, FEATURES, rows(1.0), version=3)
    assert read(tmp_path)[0] == [3.0, 1.0]


SOME, ALL = [0, 500, 999], list(range(0, 1000, 20))
KILLS = [row if row in SOME else pytest.param(row, marks=pytest.mark.long) for row in sorted({*SOME, *ALL})]


@pytest.mark.parametrize("row", KILLS)
def test_a_killed_publisher_leaves_no_trace(tmp_path: Path, row: int) -> None:
    LmdbOnlineStore().publish(str(tmp_path), KEYS, FEATURES, rows(3.0), version=4)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(row)], capture_output=True)
    assert killed.returncode == -9
    assert read(tmp_path) == [[3.0, 1.0], [3.0, None], [None, None], [True, True, False], 4]
    LmdbOnlineStore().publish(str(tmp_path), KEYS, FEATURES, rows(5.0), version=5)
    assert read(tmp_path)[0] == [5.0, 1.0]


def test_a_view_that_is_not_online_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MlpError, match="is not online yet. Materialize its online asset"):
        OnlineView(str(tmp_path / "nothing"))


def test_long_and_empty_keys_are_keys(tmp_path: Path) -> None:
    frame = rows(1.0).with_columns(category=pl.Series(["x" * 2000, ""]))
    LmdbOnlineStore().publish(str(tmp_path), KEYS, FEATURES, frame, version=1)
    found = OnlineView(str(tmp_path)).get_many([(1, "x" * 2000), (2, ""), (1, "x" * 2001)])[2]
    assert found.tolist() == [True, True, False]


def test_one_process_may_serve_and_publish(tmp_path: Path) -> None:
    store = LmdbOnlineStore()
    store.publish(str(tmp_path), KEYS, FEATURES, rows(3.0), version=4)
    view = OnlineView(str(tmp_path))
    store.publish(str(tmp_path), KEYS, FEATURES, rows(5.0), version=5)
    values, _, found, version = view.get_many([(1, "a")])
    assert (values[0, 0], found[0], version) == (5.0, True, 5)


def test_keys_that_read_alike_are_not_alike() -> None:
    assert packed_key(("a\x1fb", "c")) != packed_key(("a", "b\x1fc"))
    assert packed_key(("ab", "c")) != packed_key(("a", "bc"))
    assert len(packed_key(("x" * 600, "y"))) < 100

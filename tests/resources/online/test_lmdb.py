"""The embedded online store: other processes see a publication at once, and a killed publisher changes nothing."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlp_resources.online.lmdb import LmdbOnlineStore

AT = datetime(2024, 1, 1, tzinfo=UTC)
KEYS, FEATURES = ["user_id", "category"], ["spend", "visits"]
READ = """
import json, sys
from mlp_resources.online.open_view import open_view
values, times, found, version = open_view(sys.argv[1]).get_many([(1, "a"), (2, "b"), (1, "ab")])
print(json.dumps([[None if v != v else v for v in row] for row in values] + [found.tolist(), version]))
"""
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
from mlp_resources.online import lmdb as online_lmdb
pairs = online_lmdb._pairs
def dying(*arguments):
    for number, item in enumerate(pairs(*arguments)):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield item
online_lmdb._pairs = dying
frame = pl.DataFrame({"user_id": range(1000), "category": ["a"] * 1000, "spend": [9.0] * 1000, "visits": [9.0] * 1000})
frame = frame.with_columns(event_time=pl.lit(datetime(2024, 2, 1, tzinfo=UTC)))
store = online_lmdb.LmdbOnlineStore(Path(sys.argv[1]))
store.publish(sys.argv[1], ["user_id", "category"], ["spend", "visits"], frame, version=9)
"""


def rows(spend: float) -> pl.DataFrame:
    frame = pl.DataFrame({"user_id": [1, 2], "category": ["a", "b"], "spend": [spend, spend], "visits": [1.0, None]})
    return frame.with_columns(event_time=pl.lit(AT).cast(pl.Datetime("us", "UTC")))


def publish(path: Path, spend: float, version: int) -> None:
    LmdbOnlineStore(path).publish(str(path), KEYS, FEATURES, rows(spend), version=version)


def read(path: Path) -> list[object]:
    reader = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    return json.loads(reader.stdout)


def test_another_process_reads_the_published_rows(tmp_path: Path) -> None:
    publish(tmp_path, 3.0, 4)
    assert read(tmp_path) == [[3.0, 1.0], [3.0, None], [None, None], [True, True, False], 4]


SOME, ALL = [0, 500, 999], list(range(0, 1000, 20))
KILLS = [row if row in SOME else pytest.param(row, marks=pytest.mark.long) for row in sorted({*SOME, *ALL})]


@pytest.mark.parametrize("row", KILLS)
def test_a_killed_publisher_changes_nothing(tmp_path: Path, row: int) -> None:
    publish(tmp_path, 3.0, 4)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(row)], capture_output=True)
    assert killed.returncode == -9
    assert read(tmp_path) == [[3.0, 1.0], [3.0, None], [None, None], [True, True, False], 4]
    publish(tmp_path, 5.0, 5)
    assert read(tmp_path)[0] == [5.0, 1.0]


def test_a_location_is_a_path_below_the_stores_folder(tmp_path: Path) -> None:
    assert LmdbOnlineStore(tmp_path).location("shop", "spending") == str(tmp_path / "shop" / "spending")

"""Versions stay: delta-rs would forget its log at a checkpoint, and a version that is lost says so."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from mlp_assets.errors import LakeError, LostVersionError
from mlp_assets.tables.storage import scan_delta
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.lake.retention import PROPERTIES
from mlp_resources.ports.lake import Table, Transaction

TABLE = Table("shop", "predictions", "score")
INTERVAL = 4  # commits between two checkpoints; delta-rs' default is 100
YEAR = timedelta(days=365)


def rows(value: int) -> pl.DataFrame:
    return pl.DataFrame({"value": [value], "partition": ["a"]})


def append(lake: DeltaLake, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        lake.append(TABLE, rows(number), Transaction(f"row:{number}", 1))


def create_as_earlier_releases(lake: DeltaLake) -> None:
    """A table without properties of retention, with one row."""
    write_deltalake(lake.location(TABLE), rows(0), partition_by=["partition"])


def check_often(lake: DeltaLake) -> None:
    """Makes delta-rs write a checkpoint, and clean its log up, every few commits."""
    handle = DeltaTable(lake.location(TABLE))
    handle.alter.set_table_properties({"delta.checkpointInterval": str(INTERVAL)})


def age_log(lake: DeltaLake, by: timedelta = YEAR) -> None:
    """Makes all log entries older. delta-rs goes by the times of the files."""
    for file in Path(lake.location(TABLE), "_delta_log").iterdir():
        then = time.time() - by.total_seconds()
        os.utime(file, (then, then))


def log_of(lake: DeltaLake) -> list[str]:
    return sorted(file.name for file in Path(lake.location(TABLE), "_delta_log").glob("*.json"))


def forget_log(lake: DeltaLake) -> None:
    """Writes as an earlier release did, until delta-rs has removed its oldest log entries."""
    check_often(lake)
    for number in range(3 * INTERVAL):
        write_deltalake(DeltaTable(lake.location(TABLE)), rows(number), mode="append")
        if number == 2 * INTERVAL:
            age_log(lake)
    assert log_of(lake)[0] != f"{0:020}.json", "delta-rs no longer cleans up: this module tests nothing"


def test_a_year_old_version_is_read_after_checkpoints(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 1)
    check_often(lake)
    append(lake, 2 * INTERVAL, first=1)
    age_log(lake)
    append(lake, 2 * INTERVAL, first=1 + 2 * INTERVAL)
    assert len(list(Path(lake.location(TABLE), "_delta_log").glob("*.checkpoint.parquet"))) >= 3
    assert log_of(lake)[0] == f"{0:020}.json"
    assert lake.scan(TABLE, 1).collect().height == 1
    assert lake.transaction(TABLE, "row:0", 1) == 1
    assert lake.transaction(TABLE, "row:1", 1) is None


def test_a_table_of_an_earlier_release_is_kept_from_the_next_write_on(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    create_as_earlier_releases(lake)
    check_often(lake)
    while (DeltaTable(lake.location(TABLE)).version() + 2) % INTERVAL:  # the next write makes a checkpoint
        write_deltalake(DeltaTable(lake.location(TABLE)), rows(0), mode="append")
    age_log(lake)
    append(lake, 3 * INTERVAL)
    assert log_of(lake)[0] == f"{0:020}.json"
    assert lake.scan(TABLE, 0).collect().height == 1


WRITES: dict[str, Callable[[DeltaLake], object]] = {
    "append": lambda lake: lake.append(TABLE, rows(1), Transaction("row:1", 1)),
    "partitions": lambda lake: lake.write_partitions(TABLE, rows(1), ["a"]),
    "replacement": lambda lake: lake.replace(TABLE, rows(1).with_columns(other=pl.lit("x"))),
    "parts": lambda lake: lake.publish(TABLE, [lake.stage(TABLE, rows(1), "run-1")], rows(1).schema),
    "parts of a partition": lambda lake: lake.publish_partition(
        TABLE,
        "a",
        [lake.stage(TABLE, rows(1).drop("partition"), "run-1", "a")],
        rows(1).drop("partition").schema,
        Transaction("partition:a", 1),
    ),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("earlier", [False, True])
def test_every_write_leaves_the_properties(tmp_path: Path, name: str, earlier: bool) -> None:
    lake = DeltaLake(tmp_path)
    if earlier and name == "parts":
        write_deltalake(lake.location(TABLE), rows(0))
    elif earlier:
        create_as_earlier_releases(lake)
    WRITES[name](lake)
    assert DeltaTable(lake.location(TABLE)).metadata().configuration == PROPERTIES
    assert lake.version(TABLE) == (2 if earlier else 1)
    WRITES[name](lake)
    assert DeltaTable(lake.location(TABLE)).metadata().configuration == PROPERTIES
    versions = lake.version(TABLE)
    assert versions is not None
    assert versions <= (3 if earlier else 2), "the properties were set again"


def test_properties_that_somebody_set_stay(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    create_as_earlier_releases(lake)
    own = {"delta.deletedFileRetentionDuration": "interval 400 days"}
    DeltaTable(lake.location(TABLE)).alter.set_table_properties(own)
    append(lake, 1)
    assert DeltaTable(lake.location(TABLE)).metadata().configuration == {**PROPERTIES, **own}


def test_a_version_whose_log_is_gone_says_so(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    create_as_earlier_releases(lake)
    forget_log(lake)
    said = r"Version 0 of table shop/predictions/score cannot be opened: its log is gone, and the oldest version that "
    said += r"is left is \d+\. Logs older than 30 days .* Restore the folder _delta_log from a backup, or materialize "
    with pytest.raises(LostVersionError, match=said):
        lake.scan(TABLE, 0)
    with pytest.raises(LostVersionError, match="its log is gone"):
        lake.transaction(TABLE, "row:0", 0)
    with pytest.raises(LostVersionError, match="The platform does not write this table. Ask its owner"):
        lake.scan(lake.location(TABLE), 0)
    with pytest.raises(
        LostVersionError, match=r"Version 0 of the table at \S+ cannot be opened: .* Restore the folder"
    ):
        scan_delta(lake.location(TABLE), 0)  # as a training process opens its training set


def test_a_version_whose_files_are_gone_says_so(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    first = lake.write_partitions(TABLE, rows(1), ["a"]).version
    (removed,) = DeltaTable(lake.location(TABLE)).file_uris()
    lake.write_partitions(TABLE, rows(2), ["a"])
    assert lake.scan(TABLE, first).collect()["value"].to_list() == [1]
    Path(removed).unlink()
    with pytest.raises(LostVersionError, match=r"Version 1 of table \S+ cannot be read: 1 of its 1 files are gone"):
        lake.scan(TABLE, first)
    assert lake.scan(TABLE).collect()["value"].to_list() == [2]
    assert lake.transaction(TABLE, "row:0", first) is None  # the log is there


def test_a_version_that_never_was_says_so(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 1)
    with pytest.raises(LostVersionError, match=r"has no version 7: its newest is 1\. It was probably removed and made"):
        lake.scan(TABLE, 7)
    with pytest.raises(LakeError, match="does not exist yet"):
        lake.scan(Table("shop", "predictions", "other"), 7)


def test_all_rows_count_as_added_since_a_version_that_is_lost(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    create_as_earlier_releases(lake)
    forget_log(lake)
    now = lake.version(TABLE)
    assert now is not None
    added, removed = lake.changes(TABLE, 0, now)
    assert removed is None
    assert added is not None
    assert added.collect().height == lake.scan(TABLE).collect().height


def test_a_young_table_has_a_checkpoint_after_every_tenth_commit(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 30)
    log = Path(lake.location(TABLE), "_delta_log")
    assert [int(file.name[:20]) for file in sorted(log.glob("*.checkpoint.parquet"))] == [9, 19, 29]
    assert log_of(lake)[0] == f"{0:020}.json"
    assert lake.scan(TABLE).collect().height == 30

"""Small files are merged: no row is lost or doubled, no version is lost, whatever other writers do meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from mlp_assets.tables.digest import canonical_digest
from mlp_resources.lake.compaction import merge, replace_files, small_files
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table, Transaction

TABLE = Table("shop", "predictions", "score")
DAYS = ("2024-01-01", "2024-01-02 01:00")  # the second has letters that a path cannot hold as they are


def rows(number: int, day: str = DAYS[0]) -> pl.DataFrame:
    return pl.DataFrame({"number": [number], "price": [number / 3], "partition": [day]})


def append(lake: DeltaLake, *numbers: int, day: str = DAYS[0]) -> None:
    for number in numbers:
        lake.append(TABLE, rows(number, day), Transaction(f"row:{number}", 1))


def numbers_of(lake: DeltaLake, version: int | None = None) -> list[int]:
    return sorted(lake.scan(TABLE, version).collect()["number"].to_list())


def files(lake: DeltaLake) -> int:
    return len(DeltaTable(lake.location(TABLE)).file_uris())


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_content_and_earlier_versions_stay(tmp_path: Path, scheme: str) -> None:
    lake = DeltaLake(f"{scheme}{tmp_path}/lake")
    append(lake, 0, 1, 2)
    append(lake, 3, 4, day=DAYS[1])
    append(lake, 5)
    before, version = lake.scan(TABLE).collect(), lake.version(TABLE)
    assert version is not None
    written = lake.compact(TABLE, fewest=2)
    assert (written.changed, written.version, lake.version(TABLE)) == (True, version + 1, version + 1)
    assert written.bytes > 0
    assert files(lake) == 2
    assert canonical_digest(lake.scan(TABLE).collect()) == canonical_digest(before)
    assert lake.scan(TABLE).collect().schema == before.schema
    for earlier in range(1, version + 1):
        assert len(numbers_of(lake, earlier)) == earlier
    assert lake.partitions(TABLE) == set(DAYS)
    assert not lake.append(TABLE, rows(1), Transaction("row:1", 1)).changed  # it is known as written


def test_a_second_call_has_nothing_to_do(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    assert not lake.compact(TABLE, fewest=2).changed
    append(lake, 0, 1, 2)
    assert not lake.compact(TABLE, fewest=4).changed
    assert lake.compact(TABLE, fewest=3).changed
    version = lake.version(TABLE)
    assert not lake.compact(TABLE, fewest=2).changed
    assert lake.version(TABLE) == version
    assert not list(Path(lake.location(TABLE)).rglob("*.partial"))


def test_the_log_says_that_no_row_is_new(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 0, 1)
    lake.compact(TABLE, fewest=2)
    log = sorted(Path(lake.location(TABLE), "_delta_log").glob("*.json"))[-1].read_text()
    assert log.count('"dataChange":false') == 3
    assert '"dataChange":true' not in log


def test_columns_that_were_added_later_are_null_before(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 0)
    lake.append(TABLE, rows(1).with_columns(extra=pl.lit("x")), Transaction("row:1", 1))
    before = lake.scan(TABLE).collect()
    assert lake.compact(TABLE, fewest=2).changed
    assert canonical_digest(lake.scan(TABLE).collect()) == canonical_digest(before)
    added, removed = lake.changes(TABLE, 2, 3)
    assert added is not None
    assert removed is not None
    assert added.collect_schema() == removed.collect_schema()


def test_a_table_without_partitions(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    for number in range(3):
        lake.append(TABLE, rows(number).drop("partition"), Transaction(f"row:{number}", 1))
    assert lake.compact(TABLE, fewest=3).changed
    assert files(lake) == 1
    assert numbers_of(lake) == [0, 1, 2]


def test_changes_have_moved_rows_on_both_sides(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 0, 1)
    lake.compact(TABLE, fewest=2)
    append(lake, 2)
    added, removed = lake.changes(TABLE, 2, 4)
    assert added is not None
    assert removed is not None
    assert sorted(added.collect()["number"]) == [0, 1, 2]
    assert sorted(removed.collect()["number"]) == [0, 1]


def test_rows_that_were_appended_since_stay(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 0, 1)
    stale = DeltaTable(lake.location(TABLE))
    merged = merge(stale, lake.location(TABLE), small_files(stale, 2), "run")
    append(lake, 2, 3)
    replace_files(stale, merged, ("compaction", 1))
    assert numbers_of(lake) == [0, 1, 2, 3]
    assert files(lake) == 3
    assert stale.version() == lake.version(TABLE)


def test_a_partition_that_was_replaced_since_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 0, 1)
    append(lake, 2, 3, day=DAYS[1])
    # The replacement lands when the parts are written, and before the commit.
    stage = merge

    def merge_late(*arguments: object) -> object:
        merged = stage(*arguments)  # type: ignore[arg-type]
        lake.write_partitions(TABLE, rows(9), [DAYS[0]])
        return merged

    monkeypatch.setattr("mlp_resources.lake.delta.merge", merge_late)
    assert lake.compact(TABLE, fewest=2).changed
    assert numbers_of(lake) == [2, 3, 9]
    assert files(lake) == 2
    left = {path.name for path in Path(lake.location(TABLE)).rglob("compacted-*")}
    assert len(left) == 1, "the part of the replaced partition was left behind"


def test_concurrent_appenders_replacers_and_compactions_lose_and_double_nothing(tmp_path: Path) -> None:
    lake, each = DeltaLake(tmp_path), 12
    append(lake, 1000, 1001)
    done = threading.Event()

    def appender(first: int) -> None:
        append(lake, *range(first, first + each))

    def replacer() -> None:
        for number in range(5):
            lake.write_partitions(TABLE, rows(500 + number, DAYS[1]), [DAYS[1]])

    def compacter() -> int:
        merged = 0
        while not done.is_set():
            merged += lake.compact(TABLE, fewest=2).changed
        return merged

    with ThreadPoolExecutor(5) as pool:
        compacters = [pool.submit(compacter) for _ in range(2)]
        writers = [pool.submit(appender, 0), pool.submit(appender, 100), pool.submit(replacer)]
        try:
            for writer in writers:
                writer.result()
        finally:
            done.set()
        assert sum(each.result() for each in compacters) > 0
    lake.compact(TABLE, fewest=2)
    expected = sorted([1000, 1001, *range(each), *range(100, 100 + each), 504])
    assert numbers_of(lake) == expected
    newest = lake.version(TABLE)
    assert newest is not None
    for version in range(1, newest + 1):
        numbers = numbers_of(lake, version)
        assert len(numbers) == len(set(numbers))

"""The history of a table tells what delta-rs tells of each version, and which files no version needs."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from mlp_resources.lake.commits import file_paths
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.lake.delta_log import oldest_version, read_history
from mlp_resources.ports.lake import Table, Transaction
from mlp_resources.ports.table_history import StoredFile, TableHistory

TABLE = Table("shop", "features", "spending")
HOURS = ("2024-01-01-00:00", "2024-01-01 01:00")  # both have letters that a path cannot hold as they are


def rows(value: int, partition: str) -> pl.DataFrame:
    return pl.DataFrame({"value": [value], "partition": [partition]})


def table_of_many_commits(lake: DeltaLake) -> None:
    for number in range(4):
        for hour in HOURS:
            lake.write_partitions(TABLE, rows(number, hour), [hour], Transaction("source", number + 1, number))
            lake.append(TABLE, rows(number, hour), Transaction(f"spool:{number}:{hour}", 1))


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_each_version_needs_the_files_that_delta_says(tmp_path: Path, scheme: str) -> None:
    lake = DeltaLake(f"{scheme}{tmp_path}")
    table_of_many_commits(lake)
    history = lake.history(TABLE)
    assert history is not None
    assert (history.oldest, history.newest) == (0, lake.version(TABLE))
    assert history.times == sorted(history.times)
    check_against_delta(lake, history)
    everything = {file.path for file in history.files}
    assert lake.existing_files(TABLE, [*everything, "partition=x/none.parquet"]) == everything
    folder = tmp_path / str(TABLE)
    assert everything == {str(file.relative_to(folder)) for file in folder.glob("partition=*/*.parquet")}


def test_a_history_begins_at_the_oldest_checkpoint_that_is_left(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    table_of_many_commits(lake)
    half = 7
    DeltaTable(lake.location(TABLE), version=half).create_checkpoint()
    log = Path(lake.location(TABLE), "_delta_log")
    (log / "_last_checkpoint").unlink()
    for version in range(half):
        (log / f"{version:020}.json").unlink()
    for gone in (False, True):  # the commit of the checkpoint may be there or not
        if gone:
            (log / f"{half:020}.json").unlink()
        assert oldest_version(lake.location(TABLE)) == half
        history = read_history(lake.location(TABLE))
        assert history.oldest == half
        check_against_delta(lake, history)


def check_against_delta(lake: DeltaLake, history: TableHistory) -> None:
    for version in range(history.oldest, history.newest + 1):
        handle = DeltaTable(lake.location(TABLE), version=version)
        uris = {uri.removeprefix(f"{handle.table_uri}") for uri in handle.file_uris()}
        needed = {file.path: file.bytes for file in history.files if file.is_needed_by(version)}
        assert len(needed) == len(file_paths(handle))
        assert set(needed.values()) <= set(pl.DataFrame(handle.get_add_actions())["size_bytes"])
        assert {path.rpartition("/")[2] for path in needed} == {uri.rpartition("/")[2] for uri in uris}
        if history.oldest == 0:
            assert history.transaction("source", version) == handle.transaction_version("source")


def test_files_of_the_newest_version_are_never_removed(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    for number in (1, 2):
        lake.write_partitions(TABLE, rows(number, HOURS[1]), [HOURS[1]])
    history = lake.history(TABLE)
    assert history is not None
    lake.remove_files(TABLE, [file.path for file in history.files])
    lake.remove_files(TABLE, [file.path for file in history.files])  # those that are gone are passed over
    assert lake.scan(TABLE).collect()["value"].to_list() == [2]
    assert len(list(Path(lake.location(TABLE)).rglob("*.parquet"))) == 1
    assert lake.history(Table("shop", "features", "other")) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=12), st.sets(st.integers(0, 9)))
def test_files_are_unneeded_if_no_version_has_them(spans: list[tuple[int, int | None]], kept: set[int]) -> None:
    spans = [(added, removed) for added, removed in spans if removed is None or removed > added]
    files = [StoredFile(str(place), 1, added, removed) for place, (added, removed) in enumerate(spans)]
    history = TableHistory(0, [datetime.now(UTC)] * 10, files)
    expected = [file for file in files if not any(file.is_needed_by(version) for version in kept | {9})]
    assert history.unneeded(kept) == expected

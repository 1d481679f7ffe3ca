"""A table that was read once is opened again only when its log moved on, and is never read at an earlier version."""

import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from mlp_assets.tables.storage import open_delta
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.lake.open_tables import OpenTables
from mlp_resources.ports.lake import Table, Transaction

TABLE = Table("shop", "features", "spending")


class Counted:
    """Opens tables and counts how often."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self, location: str) -> DeltaTable:
        self.opened += 1
        return open_delta(location)


def write(location: str, value: int) -> None:
    pl.DataFrame({"a": [value]}).write_delta(location, mode="append")


def step(number: int) -> Transaction:
    return Transaction("test", number, number - 1)


def values(table: DeltaTable) -> list[int]:
    return pl.scan_delta(table).collect()["a"].sort().to_list()


def test_a_table_is_opened_once_for_each_of_its_versions(tmp_path: Path) -> None:
    location, counted = str(tmp_path / "table"), Counted()
    tables = OpenTables(counted)
    with pytest.raises(TableNotFoundError):
        tables.newest(location)
    for number in range(3):
        write(location, number)
        assert [values(tables.newest(location)) for _ in range(3)] == [list(range(number + 1))] * 3
    assert counted.opened == 4


def test_a_commit_of_another_process_is_seen(tmp_path: Path) -> None:
    location, tables = str(tmp_path / "table"), OpenTables(open_delta)
    write(location, 1)
    tables.newest(location)
    program = f"import polars as pl; pl.DataFrame({{'a': [2]}}).write_delta({location!r}, mode='append')"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert values(tables.newest(location)) == [1, 2]


def test_a_table_that_was_made_again_is_another(tmp_path: Path) -> None:
    location, tables = str(tmp_path / "table"), OpenTables(open_delta)
    for number in range(20):
        write(location, number)
        assert values(tables.newest(location)) == [number]
        shutil.rmtree(location)
        with pytest.raises(TableNotFoundError):
            tables.newest(location)


def test_rows_that_are_read_later_are_those_of_their_version(home: Path) -> None:
    lake = DeltaLake(home)
    lake.append(TABLE, pl.DataFrame({"a": [1]}), step(1))
    before = lake.scan(TABLE)
    lake.append(TABLE, pl.DataFrame({"a": [2]}), step(2))
    after = lake.scan(TABLE)
    lake.replace(TABLE, pl.DataFrame({"a": [3]}))
    assert [rows.collect()["a"].sort().to_list() for rows in (before, after, lake.scan(TABLE))] == [[1], [1, 2], [3]]


def test_a_log_that_was_cleaned_up_is_read_again(tmp_path: Path) -> None:
    location, counted = str(tmp_path / "table"), Counted()
    tables = OpenTables(counted)
    for number in range(3):
        write(location, number)
    tables.newest(location)
    DeltaTable(location).create_checkpoint()
    (tmp_path / "table" / "_delta_log" / f"{2:020d}.json").unlink()
    assert values(tables.newest(location)) == [0, 1, 2]
    assert counted.opened == 2


def test_threads_that_read_and_write_see_every_commit(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    names = [Table("shop", "features", f"view{number}") for number in range(20)]  # more than are kept

    def work(name: Table) -> None:
        for number in range(1, 6):
            lake.append(name, pl.DataFrame({"a": [number]}), step(number))
            assert lake.scan(name).collect()["a"].sort().to_list() == list(range(1, number + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, names))


def test_a_lake_that_has_read_tables_is_sent_to_other_machines(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.append(TABLE, pl.DataFrame({"a": [1]}), step(1))
    assert lake.version(TABLE) == 1  # the table was made, then written
    assert pickle.loads(pickle.dumps(lake)).scan(TABLE).collect()["a"].to_list() == [1]


def test_a_fork_opens_tables_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location, counted = str(tmp_path / "table"), Counted()
    tables = OpenTables(counted)
    write(location, 1)
    tables.newest(location)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert values(tables.newest(location)) == [1]
    assert counted.opened == 2

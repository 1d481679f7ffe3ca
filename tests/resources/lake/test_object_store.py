"""The lake in an object store: the same tables as in a folder, and concurrent writers lose nothing."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from mlp_assets.errors import LakeError, LostVersionError
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.lake.root import lake_root
from mlp_resources.ports.lake import Table, Transaction
from tests.support.object_store import object_store

TABLE = Table("shop", "features", "spending")
HOURS = ["2024-01-01-00:00", "2024-01-01-01:00"]
THREADS, PROCESSES, EACH = 3, 2, 3
APPENDING = """
import sys
import polars as pl
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table, Transaction
for number in range(int(sys.argv[3])):
    name = f"process-{sys.argv[2]}-{number}"
    rows = pl.DataFrame({"name": [name]})
    DeltaLake(sys.argv[1]).append(Table("shop", "log", "predictions"), rows, Transaction(name, 1))
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, object_store(patch) as address:
        yield address


@pytest.fixture(params=["s3", "file"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> DeltaLake:
    if request.param == "file":
        return DeltaLake(f"file://{tmp_path}/lake")
    return DeltaLake(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


def rows(partition: str, value: float, count: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"id": range(count), "value": [value] * count, "partition": [partition] * count})


def test_partitions_are_replaced_and_versions_stay(lake: DeltaLake) -> None:
    assert lake.version(TABLE) is None
    with pytest.raises(LakeError, match="does not exist yet"):
        lake.scan(TABLE)
    first = lake.write_partitions(TABLE, pl.concat(rows(hour, 1) for hour in HOURS), HOURS, notes={"grid": "1h"})
    second = lake.write_partitions(TABLE, rows(HOURS[1], 2), HOURS[1:])
    assert lake.partitions(TABLE) == set(HOURS)
    assert lake.notes(TABLE) == {"grid": "1h"}
    assert second.bytes > 0
    assert lake.scan(TABLE).collect()["value"].sum() == 9.0
    assert canonical_digest(lake.scan(TABLE, first.version).collect()) == canonical_digest(
        pl.concat(rows(hour, 1) for hour in HOURS)
    )
    assert lake.scan(lake.location(TABLE), first.version).collect().height == 6


def test_changes_are_the_rows_that_two_versions_do_not_share(lake: DeltaLake) -> None:
    first = lake.write_partitions(TABLE, pl.concat(rows(hour, 1) for hour in HOURS), HOURS)
    second = lake.write_partitions(TABLE, rows(HOURS[1], 2), HOURS[1:])
    added, removed = lake.changes(TABLE, first.version, second.version)
    assert added is not None
    assert removed is not None
    assert added.collect()["value"].to_list() == [2.0] * 3
    assert removed.collect()["value"].to_list() == [1.0] * 3


def test_small_files_are_merged_and_old_versions_removed(lake: DeltaLake) -> None:
    for number in range(4):
        lake.append(TABLE, rows(HOURS[number % 2], number), Transaction(f"row:{number}", 1))
    before, version = canonical_digest(lake.scan(TABLE).collect()), lake.version(TABLE)
    assert lake.compact(TABLE, fewest=2).changed
    assert canonical_digest(lake.scan(TABLE).collect()) == before
    assert canonical_digest(lake.scan(TABLE, version).collect()) == before
    history = lake.history(TABLE)
    assert history is not None
    unneeded = [file.path for file in history.unneeded(set())]
    assert len(lake.existing_files(TABLE, unneeded)) == 4
    lake.remove_files(TABLE, unneeded)
    assert not lake.existing_files(TABLE, unneeded)
    assert canonical_digest(lake.scan(TABLE).collect()) == before
    with pytest.raises(LostVersionError, match="4 of its 4 files are gone"):
        lake.scan(TABLE, version)


def test_changes_leave_out_files_that_were_vacuumed(lake: DeltaLake) -> None:
    from mlp_assets.tables.storage import open_delta

    first = lake.write_partitions(TABLE, rows(HOURS[0], 1), HOURS[:1])
    second = lake.write_partitions(TABLE, rows(HOURS[0], 2), HOURS[:1])
    open_delta(lake.location(TABLE)).vacuum(0, dry_run=False, enforce_retention_duration=False)
    added, removed = lake.changes(TABLE, first.version, second.version)
    assert added is not None
    assert removed is None


def test_parts_are_published_at_once_and_leftovers_removed(lake: DeltaLake) -> None:
    table = Table("shop", "training_set", "history")
    parts = [lake.stage(table, pl.DataFrame({"number": [n]}), f"run-a-{n}") for n in range(2)]
    lake.stage(table, pl.DataFrame({"number": [9]}), "run-b-0")
    assert lake.version(table) is None
    written = lake.publish(table, parts, pl.Schema({"number": pl.Int64}))
    lake.unstage(table, "run-a", but=parts)
    lake.unstage(table, "run-b")
    assert written.bytes == sum(part.bytes for part in parts)
    assert lake.scan(table).collect()["number"].to_list() == [0, 1]


def test_a_partition_is_replaced_by_its_parts(lake: DeltaLake) -> None:
    for hour, number in zip(HOURS, (1, 2), strict=True):
        frame = pl.DataFrame({"number": [number]})
        parts = [lake.stage(TABLE, frame, "run-0", hour)]
        lake.publish_partition(TABLE, hour, parts, frame.schema, Transaction(hour, 1))
    lake.stage(TABLE, pl.DataFrame({"number": [9]}), "run-1", HOURS[0])
    lake.unstage(TABLE, "run-1")
    found = lake.scan(TABLE).select("partition", "number").sort("number").collect()
    assert found.rows() == [(HOURS[0], 1), (HOURS[1], 2)]


def test_appends_of_threads_and_processes_all_land(bucket: str) -> None:
    root, table = f"{bucket}/concurrent", Table("shop", "log", "predictions")

    def append(thread: int) -> None:
        for number in range(EACH):
            name = f"thread-{thread}-{number}"
            DeltaLake(root).append(table, pl.DataFrame({"name": [name]}), Transaction(name, 1))

    command = [sys.executable, "-c", APPENDING, root]
    processes = [subprocess.Popen([*command, str(number), str(EACH)]) for number in range(PROCESSES)]
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(append, range(THREADS)))
        assert [process.wait(120) for process in processes] == [0] * PROCESSES
    finally:
        for process in processes:
            process.kill()
    names = DeltaLake(root).scan(table).collect()["name"].to_list()
    assert len(names) == len(set(names)) == (THREADS + PROCESSES) * EACH


def test_first_writes_of_different_partitions_all_land(bucket: str) -> None:
    lake = DeltaLake(f"{bucket}/first")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: lake.write_partitions(TABLE, rows(name, 1), [name]), ["a", "b", "c", "d"]))
    assert lake.scan(TABLE).collect().height == 12


def test_the_root_is_a_folder_or_an_object_store(tmp_path: Path) -> None:
    assert lake_root(None, tmp_path) == str(tmp_path / "lake")
    for address in ("s3://bucket/folder", "file:///folder", "/folder"):
        assert lake_root(f"{address}/", tmp_path) == address


@pytest.mark.parametrize("address", ["gs://bucket", "folder/lake", "s3:///folder", "file://host/folder"])
def test_other_places_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(LakeError, match="Write s3://bucket/folder, file:///folder or an absolute path"):
        lake_root(address, tmp_path)


@pytest.mark.parametrize("address", ["s3://KEY:hidden@bucket/lake", "s3://bucket/lake?secret=hidden"])
def test_credentials_in_the_address_are_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(LakeError, match="AWS_SECRET_ACCESS_KEY") as raised:
        lake_root(address, tmp_path)
    assert "hidden" not in str(raised.value)

"""The lake on real Delta tables: partitions, transactions, concurrent writers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from mlp_assets.errors import LakeError
from mlp_assets.tables.digest import canonical_digest
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table, Transaction

TABLE = Table("shop", "features", "spending")


def rows(partition: str, value: float, count: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"id": range(count), "value": [value] * count, "partition": [partition] * count})


def test_a_write_replaces_only_its_partition(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    first = lake.write_partitions(TABLE, pl.concat([rows("a", 1), rows("b", 1)]), ["a", "b"])
    written = lake.write_partitions(TABLE, rows("b", 2), ["b"])
    values = dict(lake.scan(TABLE).group_by("partition").agg(pl.col("value").sum()).collect().iter_rows())
    assert values == {"a": 3.0, "b": 6.0}
    assert written.version == first.version + 1
    assert written.bytes > 0
    assert lake.scan(TABLE, first.version).collect()["value"].sum() == 6.0


def test_writing_again_leaves_the_same_content(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    for _ in range(3):
        lake.write_partitions(TABLE, rows("a", 1), ["a"])
    assert canonical_digest(lake.scan(TABLE).collect()) == canonical_digest(rows("a", 1))


def test_rows_of_another_partition_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"rows of partitions \['b'\]"):
        DeltaLake(tmp_path).write_partitions(TABLE, rows("b", 1), ["a"])


def test_a_missing_table_says_what_to_do(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    assert lake.version(TABLE) is None
    with pytest.raises(LakeError, match="does not exist yet. Materialize"):
        lake.scan(TABLE)


def test_an_append_lands_once(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    assert lake.append(TABLE, rows("a", 1), Transaction("spool:x", 10)).changed
    assert not lake.append(TABLE, rows("a", 1), Transaction("spool:x", 10)).changed
    assert lake.append(TABLE, rows("a", 1), Transaction("spool:x", 20, after=10)).changed
    assert lake.scan(TABLE).collect().height == 6
    assert lake.transaction(TABLE, "spool:x") == 20


def test_two_transactions_from_one_start_append_once(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)

    def drain(number: int) -> bool:
        return lake.append(TABLE, rows("a", number), Transaction("spool:x", 10 + number)).changed

    with ThreadPoolExecutor(4) as pool:
        landed = list(pool.map(drain, range(4)))
    assert sum(landed) == 1
    assert lake.scan(TABLE).collect().height == 3


def test_concurrent_writers_of_different_partitions_all_land(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.write_partitions(TABLE, rows("seed", 0), ["seed"])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: lake.write_partitions(TABLE, rows(name, 1), [name]), [f"p{i}" for i in range(8)]))
    assert lake.scan(TABLE).collect().height == 27


def test_first_writes_of_different_partitions_all_land(tmp_path: Path) -> None:
    for attempt in range(10):
        lake = DeltaLake(tmp_path / str(attempt))
        with ThreadPoolExecutor(4) as pool:
            names = [f"p{number}" for number in range(4)]
            list(pool.map(lambda name, lake=lake: lake.write_partitions(TABLE, rows(name, 1), [name]), names))
        assert lake.scan(TABLE).collect().height == 12


def test_a_replacement_may_have_any_schema(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.replace(TABLE, rows("a", 1))
    lake.replace(TABLE, rows("a", 1).with_columns(extra=pl.lit(1), value=pl.lit("x")))
    assert lake.scan(TABLE).collect_schema()["value"] == pl.String


def test_a_partition_may_add_and_drop_columns_but_not_change_their_type(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.write_partitions(TABLE, pl.concat([rows("a", 1), rows("b", 1)]), ["a", "b"])
    changed = rows("b", 2).drop("value").with_columns(extra=pl.lit(7.0))
    lake.write_partitions(TABLE, changed, ["b"])
    totals = lake.scan(TABLE).group_by("partition").agg(pl.col("value", "extra").sum()).sort("partition").collect()
    assert totals.rows() == [("a", 3.0, 0.0), ("b", 0.0, 21.0)]
    with pytest.raises(LakeError, match="value is String, was Int64"):
        lake.write_partitions(TABLE, rows("b", 2).cast({"value": pl.String}), ["b"])


def test_the_notes_of_each_commit_between_two_versions(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    assert lake.notes_between(TABLE, 0, 1) is None
    first = lake.write_partitions(TABLE, rows("a", 1), ["a"], notes={"number": "1"}).version
    lake.write_partitions(TABLE, rows("a", 2), ["a"])
    last = lake.write_partitions(TABLE, rows("a", 3), ["a"], notes={"number": "3"}).version
    assert lake.notes_between(TABLE, first - 1, last) == [{"number": "1"}, {}, {"number": "3"}]
    assert lake.notes_between(TABLE, first, last - 1) == [{}]
    assert lake.notes_between(TABLE, last, last) == []
    assert lake.notes_between(TABLE, first, last + 1) is None

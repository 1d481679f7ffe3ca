"""Parts of a table: readers see none of them until all are published."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest

from mlp_assets.errors import LakeError
from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table, Transaction

TABLE = Table("shop", "training_set", "history")


def rows(*numbers: int) -> pl.DataFrame:
    frame = pl.DataFrame({"number": numbers, "small": numbers, "name": [f"n{n}" for n in numbers]})
    return frame.with_columns(pl.col("small").cast(pl.UInt32))


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_parts_become_visible_at_once(tmp_path: Path, scheme: str) -> None:
    lake = DeltaLake(f"{scheme}{tmp_path}/lake")
    first, second = lake.stage(TABLE, rows(1, 2), "run-a-00000"), lake.stage(TABLE, rows(3), "run-a-00001")
    assert lake.version(TABLE) is None
    written = lake.publish(TABLE, [first, second], rows(1).schema)
    assert lake.scan(TABLE).collect()["number"].to_list() == [1, 2, 3]
    assert lake.scan(TABLE).select(pl.len()).collect().item() == 3
    assert (
        written.bytes
        == first.bytes + second.bytes
        == sum(path.stat().st_size for path in tmp_path.rglob("*.zstd.parquet"))
    )
    lake.stage(TABLE, rows(9), "run-b-00000")
    lake.unstage(TABLE, "run-b")
    lake.unstage(TABLE, "run-a", but=[first, second])
    assert lake.scan(TABLE).collect()["number"].to_list() == [1, 2, 3]
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_a_publication_may_change_the_schema_and_old_versions_keep_theirs(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    first = lake.replace(TABLE, rows(1))
    frame = rows(5, 6).drop("name").with_columns(score=pl.lit(0.5))
    written = lake.publish(TABLE, [lake.stage(TABLE, frame, "run-c-0")], frame.schema)
    assert lake.scan(TABLE).collect().columns == ["number", "small", "score"]
    assert lake.scan(TABLE, first.version).collect()["name"].to_list() == ["n1"]
    assert written.changed
    assert lake.replace(TABLE, rows(7)).version == written.version + 1


def test_concurrent_publishers_each_replace_the_whole_table(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    parts = [
        [lake.stage(TABLE, rows(n), f"run-{n}-0"), lake.stage(TABLE, rows(100 - n), f"run-{n}-1")] for n in range(1, 5)
    ]
    with ThreadPoolExecutor(4) as pool:
        versions = [w.version for w in pool.map(lambda own: lake.publish(TABLE, own, rows(1).schema), parts)]
    assert len(set(versions)) == 4
    left = lake.scan(TABLE).collect()["number"].to_list()
    assert len(left) == 2
    assert sum(left) == 100


SCORES = Table("shop", "batch_score", "weekly")


def stage_and_publish(lake: DeltaLake, partition: str, frame: pl.DataFrame, number: int, after: int = 0) -> bool:
    part = lake.stage(SCORES, frame, f"run-{uuid4().hex}", partition)
    mark = Transaction(f"partition:{partition}", number, after)
    return lake.publish_partition(SCORES, partition, [part], frame.schema, mark).changed


def stored_numbers(lake: DeltaLake) -> list[tuple[str, int]]:
    return lake.scan(SCORES).select("partition", "number").sort("partition", "number").collect().rows()


def test_a_partition_is_replaced_once_for_each_transaction(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    assert stage_and_publish(lake, "a", rows(1, 2), number=900)
    assert stage_and_publish(lake, "b", rows(3), number=5)
    assert not stage_and_publish(lake, "a", rows(7), number=900)
    assert stored_numbers(lake) == [("a", 1), ("a", 2), ("b", 3)]
    assert stage_and_publish(lake, "a", rows(4), number=30, after=900)  # a transaction's number may fall
    assert lake.transaction(SCORES, "partition:a") == 30
    assert stored_numbers(lake) == [("a", 4), ("b", 3)]
    assert lake.partitions(SCORES) == {"a", "b"}
    assert lake.publish_partition(SCORES, "a", [], rows(1).schema, Transaction("partition:a", 31, after=30)).changed
    assert stored_numbers(lake) == [("b", 3)]


def test_a_new_column_is_null_in_the_other_partitions(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    stage_and_publish(lake, "a", rows(1), number=1)
    stage_and_publish(lake, "b", rows(2).with_columns(score=pl.lit(0.5)).drop("name"), number=1)
    found = lake.scan(SCORES).sort("number").select("number", "name", "score").collect().rows()
    assert found == [(1, "n1", None), (2, None, 0.5)]
    with pytest.raises(LakeError, match="small is Float64, was Int32"):
        stage_and_publish(lake, "c", rows(3).with_columns(small=pl.lit(0.5)), number=1)


def test_writers_of_other_partitions_do_not_disturb_each_other(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: stage_and_publish(lake, f"p{n}", rows(n), number=1), range(8)))
    assert all(done)
    assert stored_numbers(lake) == [(f"p{n}", n) for n in range(8)]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_unpublished_parts_of_a_partition_are_removed(tmp_path: Path, scheme: str) -> None:
    lake = DeltaLake(f"{scheme}{tmp_path}")
    kept, _ = (lake.stage(SCORES, rows(n), f"run-a-{n}", "a") for n in range(2))
    lake.stage(SCORES, rows(5), "run-b-0", "b")
    lake.unstage(SCORES, "run-a", but=[kept])
    assert sorted(path.name.partition(".")[0] for path in tmp_path.rglob("*.parquet")) == ["run-a-0", "run-b-0"]


def test_parts_that_are_published_stay(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    assert stage_and_publish(lake, "a", rows(1), number=1)
    lake.unstage(SCORES, "run")
    assert stored_numbers(lake) == [("a", 1)]

"""Parts of a table: invisible until they are published, all at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table

TABLE = Table("shop", "training_set", "history")


def rows(*numbers: int) -> pl.DataFrame:
    frame = pl.DataFrame({"number": numbers, "small": numbers, "name": [f"n{n}" for n in numbers]})
    return frame.with_columns(pl.col("small").cast(pl.UInt32))


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_parts_are_seen_all_at_once(tmp_path: Path, scheme: str) -> None:
    lake = DeltaLake(f"{scheme}{tmp_path}/lake")
    one, two = lake.stage(TABLE, rows(1, 2), "run-a-00000"), lake.stage(TABLE, rows(3), "run-a-00001")
    assert lake.version(TABLE) is None
    written = lake.publish(TABLE, [one, two], rows(1).schema)
    assert lake.scan(TABLE).collect()["number"].to_list() == [1, 2, 3]
    assert lake.scan(TABLE).select(pl.len()).collect().item() == 3
    assert (
        written.bytes == one.bytes + two.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.zstd.parquet"))
    )
    lake.stage(TABLE, rows(9), "run-b-00000")
    lake.unstage(TABLE, "run-b")
    lake.unstage(TABLE, "run-a", but=[one, two])
    assert lake.scan(TABLE).collect()["number"].to_list() == [1, 2, 3]
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_a_new_schema_and_the_old_version(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    first = lake.replace(TABLE, rows(1))
    frame = rows(5, 6).drop("name").with_columns(score=pl.lit(0.5))
    written = lake.publish(TABLE, [lake.stage(TABLE, frame, "run-c-0")], frame.schema)
    assert lake.scan(TABLE).collect().columns == ["number", "small", "score"]
    assert lake.scan(TABLE, first.version).collect()["name"].to_list() == ["n1"]
    assert written.changed
    assert lake.replace(TABLE, rows(7)).version == written.version + 1


def test_publishers_that_race_each_replace_the_table(tmp_path: Path) -> None:
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

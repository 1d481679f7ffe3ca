"""A table with a year of small commits opens within a second, with all its log."""

import json
import time
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from mlp_resources.lake.delta import DeltaLake
from mlp_resources.ports.lake import Table, Transaction

TABLE = Table("shop", "predictions", "score")
A_DAY, A_YEAR = 144, 52_560  # commits, one every ten minutes
_CHECKPOINT = 100  # commits between two checkpoints, by default


def write_log(lake: DeltaLake, commits: int) -> None:
    """Adds commits of one file each, as delta-rs writes them: it would take a quarter of an hour itself."""
    lake.append(TABLE, pl.DataFrame({"number": [0], "partition": [_day(0)]}), Transaction("row", 1))
    log = Path(lake.location(TABLE), "_delta_log")
    for version in range(2, commits + 1):
        stats = {"numRecords": 1, "minValues": {"number": 1}, "maxValues": {"number": 1}, "nullCount": {"number": 0}}
        add = {
            "path": f"partition={_day(version)}/part-{version:05}.parquet",
            "partitionValues": {"partition": _day(version)},
            "size": 484,
            "modificationTime": version,
            "dataChange": True,
            "stats": json.dumps(stats),
        }
        lines = [{"commitInfo": {"timestamp": version, "operation": "WRITE"}}, {"add": add}]
        (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, lines)))
    DeltaTable(lake.location(TABLE), version=commits // _CHECKPOINT * _CHECKPOINT - 1).create_checkpoint()


def _day(version: int) -> str:
    return f"day-{version // A_DAY:03}"


@pytest.mark.parametrize("commits", [1_000, pytest.param(A_YEAR, marks=pytest.mark.long)])
def test_it_opens_within_a_second(tmp_path: Path, commits: int) -> None:
    lake = DeltaLake(tmp_path)
    write_log(lake, commits)
    pl.scan_delta(DeltaTable(lake.location(TABLE))).collect_schema()  # imports what reading takes
    begun = time.perf_counter()
    assert lake.scan(TABLE).collect_schema().names() == ["number", "partition"]
    seconds = time.perf_counter() - begun
    assert lake.version(TABLE) == commits
    assert seconds <= 1.0

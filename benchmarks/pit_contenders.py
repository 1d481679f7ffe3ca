"""The contenders of the point-in-time benchmark that run in the project's own environment: ``NAME HOME LABELS OUT``.

The last line of the output is the seconds from the first read to the commit.
"""

import shutil
import sys
import time
from pathlib import Path

import polars as pl
from pit_project import scope_of, training_set_of

from mlp_assets.orchestration import keys
from mlp_assets.tables.digest import row_sums
from mlp_assets.training_sets.shard_writer import write_rows
from mlp_assets.training_sets.training_set_asset import pinned_recipe, versions_read


def ours(home: Path, labels: str, out: Path) -> None:
    """Everything that the asset of a training set does, except the leak check and Dagster's own record."""
    training_set = training_set_of(home, labels)
    scope = scope_of(home, training_set)
    table, lake = keys.table(keys.training_set("bench", training_set)), scope.environment.lake
    rows = pinned_recipe(scope, training_set, versions_read(scope, training_set))
    made = write_rows(rows, lake, table, scope.environment.shards)
    out.symlink_to(lake.location(table))
    print(f"{made.rows} rows, {made.shards} shards, digest {made.digest}", file=sys.stderr)


def bare(home: Path, labels: str, out: Path) -> None:
    """The join alone: each row counts as known at its event time; no split, no digest."""
    training_set = training_set_of(home, labels)
    joined = pl.scan_delta(str(home / labels)).sort("asked_at")
    for view in training_set.features:
        rows = pl.scan_delta(str(home / "lake" / "bench" / "features" / view.name))
        joined = joined.join_asof(
            rows.select(*view.entity.keys, "event_time", *view.feature_names).sort("event_time"),
            left_on="asked_at",
            right_on="event_time",
            by=list(view.entity.keys),
            tolerance=view.ttl_length,
            check_sortedness=False,
        ).drop("event_time", strict=False)
    joined.collect().write_delta(str(out))


def same(home: Path, labels: str, out: Path) -> None:
    """Prints a digest of a contender's rows, independent of their order and file format."""
    spec = training_set_of(home, labels)
    frame = pl.scan_parquet(f"{out}/*.parquet") if not (out / "_delta_log").exists() else pl.scan_delta(str(out))
    frame = frame.rename({"at": "asked_at"}, strict=False)
    asked = pl.col("asked_at")
    if getattr(frame.collect_schema()["asked_at"], "time_zone", None) is None:
        asked = asked.dt.replace_time_zone("UTC")
    numbers = [pl.col(name).cast(pl.Float64) for name in (*spec.feature_names, "bought_again")]
    rows = frame.select(*spec.keys, asked.dt.convert_time_zone("UTC").dt.cast_time_unit("us"), *numbers)
    total = None
    for batch in rows.collect_batches(chunk_size=500_000):
        sums = row_sums(batch)
        total = sums if total is None else total + sums
    assert total is not None
    print(f"{total.rows} rows {total.digest()}")


def main() -> None:
    name, home, labels, out = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    if name == "same":
        return same(home, labels, out)
    shutil.rmtree(home / "lake" / "bench" / "training_set", ignore_errors=True)
    begun = time.perf_counter()
    (ours if name == "ours" else bare)(home, labels, out)
    return print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()

"""A year of windows over the retail purchases: this platform by day, hour and five minutes, DuckDB's SQL and Polars'
``rolling`` by day; one more day, and one more step of five minutes.

Each reads the same 1.47 million events and writes what it makes; the values are compared before the times are.
"""

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, time, timedelta
from pathlib import Path

import polars as pl
from peers import python_of

WINDOWS = (7, 30, 90)
ROUNDS = 3
START, DAY, STEP = datetime(2017, 1, 1), timedelta(days=1), timedelta(minutes=5)
BARS = {
    "ours_over_rolling": 1.0, "day_over_year": 0.1, "day_over_duckdb": 1.0, "hour_over_duckdb": 1.0,
    "five_minutes_over_duckdb": 1.0, "step_s": 0.2,
}  # fmt: skip
CADENCES = {"ours": "1d", "hour_year": "1h", "five_minutes_year": "5m"}
CHECKED = 3_000  # values of random households and moments, for each cadence that is shorter than a day
KINDS = ("spend", "lines", "mean", "largest")
OURS = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
import mlp_assets as mlp, polars as pl
from mlp_assets.orchestration.scope import Scope
from mlp_assets.features.partition_writer import compute_partitions
from mlp_assets.orchestration.partitions import partitions_of, window_of
from mlp_resources.environments.local import LocalEnvironment
events, home, every, part = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
source = mlp.Source("purchases", delta=events, event_time="bought_at", start="2017-01-01", end="2018-01-01",
                    columns={"household_id": pl.Int64, "sales_value": pl.Float64, "bought_at": pl.Datetime})
made = {}
for days in (7, 30, 90):
    made |= {f"spend_{days}d": mlp.total("sales_value", f"{days}d"), f"lines_{days}d": mlp.count(f"{days}d"),
             f"mean_{days}d": mlp.mean("sales_value", f"{days}d"), f"largest_{days}d": mlp.maximum("sales_value", f"{days}d")}
view = mlp.FeatureView("spending", entity=mlp.Entity("household", keys=["household_id"]), source=source, features=made, every=every)
definition = partitions_of(source, every)
names = definition.get_partition_keys()
clock = [datetime(2018, 1, 2, tzinfo=UTC)]
def compute(names):
    return compute_partitions(scope, view, [(n, window_of(definition, n)) for n in names], set())
scope = Scope(mlp.Project("bench", owner="team:bench", assets=[view]), LocalEnvironment(home, now=lambda: clock[0]))
if part == "step":
    clock[0] = datetime(2017, 12, 31, 18, tzinfo=UTC)
    compute(names[-1:])
    clock[0] += timedelta(minutes=5)
begun = time.perf_counter()
compute(names[:-1] if part == "year" else names[-1:])
print(time.perf_counter() - begun)
"""
SHARED = """
import sys, time
events, out = sys.argv[1:3]
begun = time.perf_counter()
"""
ROLLING = (
    SHARED
    + """
import polars as pl
days = pl.date_range(pl.date(2017, 1, 2), pl.date(2018, 1, 1), eager=True).alias("day").to_frame().lazy()
sales = pl.scan_delta(events)
daily = sales.group_by("household_id", pl.col("bought_at").dt.date().alias("day")).agg(
    s=pl.col("sales_value").sum(), n=pl.len(), m=pl.col("sales_value").max())
grid = sales.select("household_id").unique().join(days, how="cross").join(daily, on=["household_id", "day"], how="full",
    coalesce=True).sort("household_id", "day").collect()
parts = []
for length in (7, 30, 90):
    rolled = grid.rolling("day", period=f"{length}d", group_by="household_id", closed="left").agg(
        pl.col("s").sum().alias(f"spend_{length}d"), pl.col("n").sum().alias(f"lines_{length}d"),
        pl.col("m").max().alias(f"largest_{length}d"))
    parts.append(rolled.drop("household_id", "day") if parts else rolled)
made = pl.concat(parts, how="horizontal").with_columns(
    pl.when(pl.col(f"lines_{length}d") > 0).then(pl.col(f"spend_{length}d") / pl.col(f"lines_{length}d"))
    .alias(f"mean_{length}d") for length in (7, 30, 90))
made.filter(pl.col("lines_90d") > 0, pl.col("day") > pl.date(2017, 1, 1)).write_parquet(out)
print(time.perf_counter() - begun)
"""
)
DUCKDB = (
    SHARED
    + """
import duckdb
def over(length):
    return f"(PARTITION BY household_id ORDER BY day RANGE BETWEEN INTERVAL {length} DAY PRECEDING AND INTERVAL 1 DAY PRECEDING)"
columns = ", ".join(f"sum(s) OVER {over(d)} AS spend_{d}d, sum(n) OVER {over(d)} AS lines_{d}d, max(m) OVER {over(d)} AS largest_{d}d"
                    for d in (7, 30, 90))
means = ", ".join(f"spend_{d}d / nullif(lines_{d}d, 0) AS mean_{d}d" for d in (7, 30, 90))
duckdb.sql(f'''
COPY (
  WITH sales AS (SELECT household_id, sales_value, CAST(bought_at AT TIME ZONE 'UTC' AS DATE) AS day FROM read_parquet('{events}/*.parquet')),
  daily AS (SELECT household_id, day, sum(sales_value) AS s, count(*) AS n, max(sales_value) AS m FROM sales GROUP BY ALL),
  days AS (SELECT CAST(unnest(generate_series(DATE '2017-01-01', DATE '2018-01-01', INTERVAL 1 DAY)) AS DATE) AS day),
  grid AS (SELECT h.household_id, d.day, s, n, m FROM (SELECT DISTINCT household_id FROM sales) h CROSS JOIN days d
           LEFT JOIN daily USING (household_id, day)),
  rolled AS (SELECT household_id, day, {columns} FROM grid)
  SELECT *, {means} FROM rolled WHERE lines_90d > 0 AND day > DATE '2017-01-01'
) TO '{out}' (FORMAT PARQUET)''')
print(time.perf_counter() - begun)
"""
)


# The windows of single households and moments, in the order in which they are asked.
WINDOWED = (
    SHARED
    + """
import duckdb
asked, values = out, sys.argv[3]
columns = ", ".join(f"sum(sales_value) FILTER ({within}) AS spend_{d}d, count(sales_value) FILTER ({within}) AS lines_{d}d, "
                    f"avg(sales_value) FILTER ({within}) AS mean_{d}d, max(sales_value) FILTER ({within}) AS largest_{d}d"
                    for d in (7, 30, 90) for within in [f"WHERE bought >= moment - INTERVAL {d} DAY"])
duckdb.sql(f'''
COPY (
  WITH asked AS (SELECT row_number() OVER () AS place, * FROM read_parquet('{asked}')),
  sales AS (SELECT *, bought_at AT TIME ZONE 'UTC' AS bought FROM read_parquet('{events}/*.parquet'))
  SELECT place, {columns} FROM asked LEFT JOIN sales ON sales.household_id = asked.household_id AND bought < moment
    AND bought >= moment - INTERVAL 90 DAY GROUP BY place ORDER BY place
) TO '{values}' (FORMAT PARQUET)''')
print(time.perf_counter() - begun)
"""
)


def seconds(python: Path | str, code: str, *arguments: object) -> float:
    command = [str(python), "-W", "ignore", "-c", code, *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def write_events(folder: Path) -> str:
    from mlp_assets.examples.retail.feed import data_folder

    sales = pl.read_parquet(data_folder() / "transactions.parquet")
    bought = pl.col("transaction_timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    within = pl.col("bought_at").dt.year() == 2017
    events = sales.select("household_id", "sales_value", bought_at=bought).filter(within)
    location = str(folder / "events")
    events.cast({"household_id": pl.Int64}).write_delta(location)
    log(f"{events.height} events")
    return location


def table_of(home: Path) -> pl.LazyFrame:
    return pl.scan_delta(str(home / "lake" / "bench" / "features" / "spending"))


def compare(ours: Path, others: dict[str, Path]) -> int:
    """The number of values compared. Raises AssertionError where a contender's value differs."""
    names = [f"{kind}_{days}d" for days in WINDOWS for kind in KINDS]
    table = at_midnights(table_of(ours)).collect()
    made = table.filter(pl.col("lines_90d") > 0).with_columns(day=pl.col("event_time").dt.date())
    made = made.sort("household_id", "day")
    for name, path in others.items():
        other = pl.read_parquet(path).sort("household_id", "day").cast({"household_id": pl.Int64})
        other = other.filter(pl.col("day") <= made["day"].max())  # the last day is computed apart
        joined = made.join(other, on=["household_id", "day"], how="full")
        assert joined.height == made.height == other.height, f"{name}: {other.height} rows, ours {made.height}"
        for column in names:
            theirs = pl.col(f"{column}_right").cast(pl.Float64).fill_null(0.0)
            apart = joined.select((pl.col(column).fill_null(0.0) - theirs).abs().max()).item()
            assert apart < 1e-6, f"{name}: {column} differs by {apart}"
    return made.height * len(names)


def check_values(duckdb: Path | str, events: str, homes: dict[str, Path], others: dict[str, Path]) -> None:
    """Compares all values at midnights, and some at any moments."""
    for name, home in homes.items():
        values = compare(home, others)
        if name != "ours":
            values += compare_anywhere(duckdb, events, home, timedelta(hours=1) if name == "hour_year" else STEP)
        log(f"{name}: {table_of(home).select(pl.len()).collect().item()} rows, {values} values agree")


def at_midnights(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows that stand at a midnight, with it as their ``event_time``."""
    if "stands_until" not in rows.collect_schema():
        return rows
    return rows.filter(pl.col("stands_until").dt.time() == time(0)).with_columns(event_time="stands_until")


def compare_anywhere(python: Path | str, events: str, home: Path, every: timedelta) -> int:
    """The number of values compared with DuckDB's, at random households and moments of the cadence."""
    moments = random.Random(1).choices(range(90 * DAY // every, 364 * DAY // every), k=CHECKED)
    households = random.Random(2).choices(range(1, 2470), k=CHECKED)
    asked = pl.DataFrame({"household_id": households, "at": [START + every * moment for moment in moments]})
    asked = asked.with_columns(pl.col("at").dt.replace_time_zone("UTC").dt.cast_time_unit("us")).sort("at")
    stored = table_of(home).sort("event_time").collect().cast({"household_id": pl.Int64})
    joined = asked.join_asof(stored, left_on="at", right_on="event_time", by="household_id", check_sortedness=False)
    names = [f"{kind}_{days}d" for days in WINDOWS for kind in KINDS]
    stands = pl.col("stands_until") >= pl.col("at")
    ours = joined.select("household_id", "at", *(pl.when(stands).then(name).alias(name) for name in names))
    with tempfile.TemporaryDirectory() as scratch:
        paths = [str(Path(scratch) / name) for name in ("asked.parquet", "values.parquet")]
        ours.select("household_id", moment=pl.col("at").dt.replace_time_zone(None)).write_parquet(paths[0])
        seconds(python, WINDOWED, events, *paths)
        theirs = pl.read_parquet(paths[1])
    for name in names:
        apart = (ours[name].fill_null(0.0) - theirs[name].cast(pl.Float64).fill_null(0.0)).abs() >= 1e-6
        assert not apart.any(), f"{apart.sum()} values of {name} differ at {every}"
    return ours.height * len(names)


def main() -> int:
    duckdb = python_of("duckdb", ["duckdb>=1.4,<2", "pytz"])
    times: dict[str, list[float]] = {name: [] for name in (*CADENCES, "rolling", "duckdb", "day", "step")}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        events = write_events(folder)
        for number in range(ROUNDS):
            homes = {name: folder / f"{name}{number}" for name in CADENCES}
            rolled, queried = folder / "rolling.parquet", folder / "duckdb.parquet"
            for name, every in CADENCES.items():
                times[name].append(seconds(sys.executable, OURS, events, homes[name], every, "year"))
            times["day"].append(seconds(sys.executable, OURS, events, homes["ours"], "1d", "day"))
            times["step"].append(seconds(sys.executable, OURS, events, homes["five_minutes_year"], "5m", "step"))
            times["rolling"].append(seconds(sys.executable, ROLLING, events, rolled))
            times["duckdb"].append(seconds(duckdb, DUCKDB, events, queried))
            if number == 0:
                check_values(duckdb, events, homes, {"rolling": rolled, "duckdb": queried})
            log(
                f"round {number + 1} of {ROUNDS}: "
                + ", ".join(f"{name} {own[-1]:.2f} s" for name, own in times.items())
            )
    median = {name: statistics.median(own) for name, own in times.items()}
    figures = {f"{'day_year' if name == 'ours' else name}_s": round(value, 3) for name, value in median.items()}
    ratios = {
        "ours_over_rolling": round(median["ours"] / median["rolling"], 2),
        **{
            f"{name}_over_duckdb": round(median[own] / median["duckdb"], 2)
            for name, own in (("day", "ours"), ("hour", "hour_year"), ("five_minutes", "five_minutes_year"))
        },
        "day_over_year": round(median["day"] / median["ours"], 3),
    }
    ok = all((figures | ratios)[name] <= bar for name, bar in BARS.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        json.dumps({"benchmark": "features", "machine": machine, "figures": figures | ratios, "bars": BARS, "ok": ok})
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

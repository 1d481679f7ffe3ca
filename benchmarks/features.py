"""A year of daily windows over the retail purchases: this platform, DuckDB's SQL and Polars' ``rolling``; and one more day.

Each reads the same 1.47 million events and writes what it makes; the values are compared before the times are.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from peers import python_of

WINDOWS = (7, 30, 90)
ROUNDS = 3
BARS = {"ours_over_rolling": 1.0, "day_over_year": 0.1}
KINDS = ("spend", "lines", "mean", "largest")
OURS = """
import sys, time
from datetime import timedelta
from pathlib import Path
import mlp_assets as mlp, polars as pl
from mlp_assets.orchestration.scope import Scope
from mlp_assets.features.partition_writer import compute_partitions
from mlp_assets.orchestration.partitions import partitions_of, window_of
from mlp_resources.environments.local import LocalEnvironment
events, home, year = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "year"
source = mlp.Source("purchases", delta=events, event_time="bought_at", start="2017-01-01", end="2018-01-01",
                    columns={"household_id": pl.Int64, "sales_value": pl.Float64, "bought_at": pl.Datetime})
made = {}
for days in (7, 30, 90):
    made |= {f"spend_{days}d": mlp.total("sales_value", f"{days}d"), f"lines_{days}d": mlp.count(f"{days}d"),
             f"mean_{days}d": mlp.mean("sales_value", f"{days}d"), f"largest_{days}d": mlp.maximum("sales_value", f"{days}d")}
view = mlp.FeatureView("spending", entity=mlp.Entity("household", keys=["household_id"]), source=source, features=made)
definition = partitions_of(source, "1d")
names = definition.get_partition_keys()
begun = time.perf_counter()
scope = Scope(mlp.Project("bench", owner="team:bench", assets=[view]), LocalEnvironment(home))
done = compute_partitions(scope, view, [(n, window_of(definition, n)) for n in (names[:-1] if year else names[-1:])], set())
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


def compare(ours: Path, others: dict[str, Path]) -> int:
    """The number of values compared. Raises AssertionError where a contender's value differs."""
    names = [f"{kind}_{days}d" for days in WINDOWS for kind in KINDS]
    table = pl.read_delta(str(ours / "lake" / "bench" / "features" / "spending"))
    made = table.filter(pl.col("lines_90d") > 0).with_columns(day=pl.col("event_time").dt.date())
    made = made.sort("household_id", "day")
    for name, path in others.items():
        other = pl.read_parquet(path).sort("household_id", "day").cast({"household_id": pl.Int64})
        joined = made.join(other, on=["household_id", "day"], how="full")
        assert joined.height == made.height == other.height, f"{name}: {other.height} rows, ours {made.height}"
        for column in names:
            theirs = pl.col(f"{column}_right").cast(pl.Float64).fill_null(0.0)
            apart = joined.select((pl.col(column).fill_null(0.0) - theirs).abs().max()).item()
            assert apart < 1e-6, f"{name}: {column} differs by {apart}"
    return made.height * len(names)


def main() -> int:
    duckdb = python_of("duckdb", ["duckdb>=1.4,<2", "pytz"])
    times: dict[str, list[float]] = {"ours": [], "rolling": [], "duckdb": [], "day": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        events = write_events(folder)
        for number in range(ROUNDS):
            home, rolled, queried = folder / f"home{number}", folder / "rolling.parquet", folder / "duckdb.parquet"
            times["ours"].append(seconds(sys.executable, OURS, events, home, "year"))
            times["day"].append(seconds(sys.executable, OURS, events, home, "day"))
            times["rolling"].append(seconds(sys.executable, ROLLING, events, rolled))
            times["duckdb"].append(seconds(duckdb, DUCKDB, events, queried))
            if number == 0:
                log(f"{compare(home, {'rolling': rolled, 'duckdb': queried})} values agree")
            log(
                f"round {number + 1} of {ROUNDS}: "
                + ", ".join(f"{name} {own[-1]:.2f} s" for name, own in times.items())
            )
    median = {name: statistics.median(own) for name, own in times.items()}
    figures = {f"{name}_s": round(value, 3) for name, value in median.items()}
    ratios = {
        "ours_over_rolling": round(median["ours"] / median["rolling"], 2),
        "ours_over_duckdb": round(median["ours"] / median["duckdb"], 2),
        "day_over_year": round(median["day"] / median["ours"], 3),
    }
    ok = all(ratios[name] <= bar for name, bar in BARS.items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        json.dumps({"benchmark": "features", "machine": machine, "figures": figures | ratios, "bars": BARS, "ok": ok})
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

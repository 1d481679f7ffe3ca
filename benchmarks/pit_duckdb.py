"""DuckDB's as-of join, in its own environment: ``pit_duckdb.py HOME LABELS OUT``; the last line is the seconds.

It reads the Parquet files of the Delta tables and writes Parquet: its Delta extension is a download of its own.
"""

import sys
import time
from pathlib import Path

import duckdb
from deltalake import DeltaTable

HOUSEHOLD = ("trips_7d", "trips_28d", "trips_91d", "spend_7d", "spend_28d", "spend_91d")
SHELF = ("units_7d", "units_28d", "units_91d", "value_28d", "value_91d")


def main() -> None:
    home, labels, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    out.mkdir()
    features = home / "lake" / "bench" / "features"
    begun = time.perf_counter()

    def table(path: Path) -> str:
        return f"read_parquet({DeltaTable(str(path)).file_uris()})"

    def fresh(alias: str, names: tuple[str, ...]) -> str:
        usable = f"s.asked_at - {alias}.event_time <= INTERVAL 28 DAY"
        return ", ".join(f"CASE WHEN {usable} THEN {alias}.{name} END AS {name}" for name in names)

    duckdb.sql("SET TimeZone = 'UTC'")
    duckdb.sql(f"""
        COPY (
            SELECT s.*, {fresh("h", HOUSEHOLD)}, {fresh("f", SHELF)} FROM {table(home / labels)} s
            ASOF LEFT JOIN {table(features / "household")} h
                ON s.household_id = h.household_id AND s.asked_at >= h.event_time
            ASOF LEFT JOIN {table(features / "shelf")} f
                ON s.household_id = f.household_id AND s.category = f.category AND s.asked_at >= f.event_time
        ) TO '{out}/rows.parquet' (FORMAT parquet)
    """)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()

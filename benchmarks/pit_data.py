"""The tables of the point-in-time benchmark: features and labels computed from a year of retail purchases."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import write_deltalake
from pit_project import HOUSEHOLD, SCALE, SHELF, WIDE

from mlp_assets.examples.retail.feed import CATEGORIES, data_folder

START, DAYS, WEEKS = datetime(2017, 1, 1, tzinfo=UTC), 365, 52
_UTC = pl.Datetime("us", "UTC")
_AT_ONCE = 2_500_000


def make_retail(home: Path) -> None:
    """Features per household and day, and per household, category and week, as the platform writes them."""
    lines = _lines()
    daily = _grid(lines, ["household_id"], "day", DAYS, {"trips": "basket", "spend": "sales_value"}, (7, 28, 91))
    daily = daily.rename({f"{n}_{w}": f"{n}_{w}d" for n in ("trips", "spend") for w in (7, 28, 91)})
    _write(home, "household", daily, ["household_id"], HOUSEHOLD, timedelta(days=1))
    both = ["household_id", "category"]
    weekly = _grid(lines, both, "week", WEEKS, {"units": "quantity", "value": "sales_value"}, (1, 4, 13))
    weekly = weekly.rename({f"{n}_{w}": f"{n}_{w * 7}d" for n in ("units", "value") for w in (1, 4, 13)})
    _write(home, "shelf", weekly.filter(pl.col("units_28d") > 0), both, SHELF, timedelta(days=7))
    households = lines["household_id"].unique().sort()
    for name, rows in (("labels_1m", 1_000_000), ("labels_5m", 5_000_000)):
        _write_labels(home / name, households, rows, DAYS)


def make_wide(home: Path) -> None:
    """Ten views of a hundred features, four weeks of 17,000 households; one label for each."""
    rng = np.random.default_rng(1)
    for name, features in WIDE.items():
        for week in range(4):
            made = {feature: rng.random(17_000) for feature in features}
            rows = pl.DataFrame({"household_id": np.arange(17_000), "week": week} | made)
            _write(home, name, rows, ["household_id"], features, timedelta(days=7))
    _write_labels(home / "labels_wide", pl.Series(np.arange(17_000)), 17_000, 120, every=True)


def make_scale(home: Path) -> None:
    """Fifty weeks of 400,000 households, 20 M feature rows; 50 M labels."""
    rng = np.random.default_rng(2)
    for week in range(50):
        made = {feature: rng.integers(0, 10_000, 400_000) / 100 for feature in SCALE}
        rows = pl.DataFrame({"household_id": np.arange(400_000), "week": week} | made)
        _write(home, "scale", rows, ["household_id"], SCALE, timedelta(days=7))
    _write_labels(home / "labels_scale", pl.Series(np.arange(400_000)), 50_000_000, DAYS, category=False)


def _write_labels(
    path: Path, households: pl.Series, rows: int, days: int, *, every: bool = False, category: bool = True
) -> None:
    """Labelled rows in time order, from March on: household, category and time."""
    rng = np.random.default_rng(rows)
    seconds = np.sort(rng.integers(60 * 86_400, days * 86_400, rows))
    for begin in range(0, rows, _AT_ONCE):
        part = seconds[begin : begin + _AT_ONCE]
        chosen = rng.permutation(rows) if every else rng.integers(0, len(households), len(part))
        asked = (pl.Series(part * 1_000_000).cast(pl.Duration("us")) + START).cast(_UTC)
        labels = pl.DataFrame({"household_id": households.gather(chosen), "asked_at": asked})
        if category:
            labels = labels.with_columns(
                category=pl.Series(CATEGORIES).gather(rng.integers(0, len(CATEGORIES), len(part)))
            )
        labels = labels.with_columns(bought_again=pl.Series((rng.random(len(part)) < 0.1).astype(float)))
        write_deltalake(str(path), labels, mode="append")


def _lines() -> pl.DataFrame:
    products = pl.read_parquet(data_folder() / "products.parquet", columns=["product_id", "product_category"])
    lines = pl.scan_parquet(data_folder() / "transactions.parquet").join(products.lazy(), on="product_id")
    day = (pl.col("transaction_timestamp").cast(pl.Datetime("us")) - START.replace(tzinfo=None)).dt.total_days()
    return (
        lines.filter(pl.col("product_category").is_in(CATEGORIES))
        .select(
            pl.col("household_id").cast(pl.Int64),
            pl.col("product_category").alias("category"),
            day.alias("day"),
            (day // 7).alias("week"),
            pl.col("quantity").cast(pl.Float64),
            pl.col("sales_value"),
            pl.col("basket_id").cast(pl.Int64).alias("basket"),
        )
        .collect()
    )


def _grid(
    lines: pl.DataFrame, keys: list[str], step: str, steps: int, sums: dict[str, str], windows: tuple[int, ...]
) -> pl.DataFrame:
    """For each key and step, sums over the trailing windows (in steps) that end with the step."""
    value = {name: pl.len().cast(pl.Float64) if c == "basket" else pl.col(c).sum() for name, c in sums.items()}
    summed = lines.group_by(*keys, step).agg(**value)
    every = lines.select(keys).unique().join(pl.DataFrame({step: range(steps)}), how="cross")
    dense = every.join(summed, on=[*keys, step], how="left").sort(*keys, step)
    dense = dense.with_columns(pl.col(name).fill_null(0.0) for name in sums)
    rolled = [
        pl.col(name).rolling_sum(window, min_samples=1).over(keys).round(2).alias(f"{name}_{window}")
        for name in sums
        for window in windows
    ]
    return dense.with_columns(rolled)


def _write(
    home: Path, name: str, frame: pl.DataFrame, keys: list[str], features: tuple[str, ...], every: timedelta
) -> None:
    """Adds rows to a view's table, and to its Parquet copy for contenders that cannot read Delta."""
    step = frame.columns[len(keys)]
    made = frame.with_columns(event_time=((pl.col(step) + 1) * every + START).cast(_UTC))
    made = made.with_columns(known_at="event_time", partition=(pl.col("event_time") - every).dt.strftime("%Y-%m-%d"))
    rows = made.select(*keys, "event_time", "known_at", *features, "partition").sort("event_time", *keys)
    path = home / "lake" / "bench" / "features" / name
    write_deltalake(str(path), rows, partition_by=["partition"], mode="append")
    if name in ("household", "shelf"):
        (home / "parquet").mkdir(exist_ok=True)
        rows.drop("known_at", "partition").write_parquet(home / "parquet" / f"{name}.parquet")


if __name__ == "__main__":
    {"retail": make_retail, "wide": make_wide, "scale": make_scale}[sys.argv[1]](Path(sys.argv[2]))

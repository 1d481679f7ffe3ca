"""Statistics of features: how often a feature is missing, and how its values are distributed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from mlp_assets.tables.events import UTC_TIME

BINS = 20
QUANTILES: Mapping[str, float] = {"q01": 0.01, "q25": 0.25, "median": 0.5, "q75": 0.75, "q99": 0.99}
SCHEMA: Mapping[str, pl.DataType] = {
    "feature": pl.String(),
    "rows": pl.Int64(),
    "nulls": pl.Int64(),
    **dict.fromkeys(("mean", "std", "minimum", *QUANTILES, "maximum", "low", "high"), pl.Float64()),
    "histogram": pl.List(pl.Int64()),
    "newest": UTC_TIME,
}


def statistics(rows: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
    """One row for each feature, in the columns of ``SCHEMA``.

    ``nulls`` counts the missing values, NaN and infinity included. ``std`` is the sample standard deviation. Quantiles
    are interpolated linearly. ``histogram`` counts at most 20 bins of equal width between ``low`` and ``high``, the 1 %
    and 99 % quantiles; values beyond them count in the outermost bins. ``newest`` is the newest ``event_time``.

    Args:
        rows: ``event_time`` and the features.
    """
    newest = rows["event_time"].max() if rows.height else None
    figures = [_feature_statistics(name, rows[name].cast(pl.Float64), newest) for name in features]
    return pl.DataFrame(figures, schema=SCHEMA, orient="row")


def current_rows(rows: pl.DataFrame, keys: Sequence[str], features: Sequence[str]) -> pl.DataFrame:
    """The newest version of the row of each entity and moment, without rows that have no feature at all."""
    has_feature = pl.any_horizontal(pl.col(features).is_not_null())
    return rows.sort("known_at").unique([*keys, "event_time"], keep="last").filter(has_feature)


def _feature_statistics(name: str, column: pl.Series, newest: Any) -> dict[str, Any]:
    values = column.filter(column.is_finite() & column.is_not_null()).sort()  # sums must not depend on the row order
    nulls = len(column) - len(values)
    counts: dict[str, Any] = {"feature": name, "rows": len(column), "nulls": nulls, "newest": newest}
    if values.is_empty():
        return dict.fromkeys(SCHEMA) | counts | {"histogram": list[int]()}
    sums = {"mean": values.mean(), "std": values.std(), "minimum": values.min(), "maximum": values.max()}
    quantiles = {place: values.quantile(share, "linear") for place, share in QUANTILES.items()}
    numbers = {place: _finite(value) for place, value in (sums | quantiles).items()}
    low, high = numbers["q01"], numbers["q99"]
    if low is None or high is None or low >= high:
        low, high = values[0], values[-1]
    return counts | numbers | _histogram(values, low, high)


def _histogram(values: pl.Series, low: float, high: float) -> dict[str, Any]:
    """Whole numbers get bins of a whole width, so every bin spans equally many of them."""
    whole = bool((values == values.round()).all()) and abs(low) < 2**31 and abs(high) < 2**31
    count = BINS
    if whole:
        low, high = float(np.floor(low)), float(np.ceil(high))
        width = -(-int(high - low + 1) // BINS)
        count = -(-int(high - low + 1) // width)
        low, high = low - 0.5, low - 0.5 + width * count
    edges = np.linspace(low, high, count + 1)
    if not (np.diff(edges) > 0).all() or not np.isfinite(edges).all():
        return {"low": low, "high": high, "histogram": [len(values)]}
    places = np.searchsorted(edges, values.to_numpy(), side="right") - 1
    counts = np.bincount(np.clip(places, 0, count - 1), minlength=count)
    return {"low": low, "high": high, "histogram": counts.tolist()}


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def null_rate(feature: Mapping[str, Any]) -> float | None:
    """The share of rows, in [0, 1], in which a feature is missing; None without rows."""
    return feature["nulls"] / feature["rows"] if feature["rows"] else None


def ends(feature: Mapping[str, Any]) -> tuple[float, float]:
    """The first and last value of a feature's histogram. Bins of whole numbers extend half a number further."""
    low, high = feature["low"], feature["high"]
    whole = all(value.is_integer() for value in (low + 0.5, high - 0.5, feature["minimum"], feature["maximum"]))
    return (low + 0.5, high - 0.5) if whole else (low, high)


def age(newest: datetime | None, now: datetime) -> float | None:
    """Seconds since the newest row."""
    return (now - newest).total_seconds() if newest is not None else None


_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(counts: Iterable[int], width: int = BINS) -> str:
    """A histogram in at most ``width`` block letters; an empty bin is a space."""
    bins = list(counts)
    joined = -(-len(bins) // width) if bins else 1
    bars = [sum(bins[place : place + joined]) for place in range(0, len(bins), joined)]
    top = max(bars, default=0)
    return "".join(_BLOCKS[(bar * len(_BLOCKS) - 1) // top] if bar else " " for bar in bars)

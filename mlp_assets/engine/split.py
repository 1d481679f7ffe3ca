"""Dividing labelled rows by time into train, validation and test."""

from datetime import datetime

import polars as pl

from mlp_assets.spec.errors import NothingToTrainError
from mlp_assets.spec.training_set import SplitByTime
from mlp_assets.spec.words import duration

PARTS = ("train", "validation", "test")


def with_split(rows: pl.DataFrame, time: str, split: SplitByTime) -> pl.DataFrame:
    """Adds the column ``split``; rows that belong to no part are dropped.

    The newest ``split.test`` of the times is the test part, the ``split.validation`` before it the
    validation part. An earlier row whose label was not yet known when the next part began is
    dropped: its answer overlaps it.

    Args:
        rows: with the columns ``time`` and ``known_at``.

    Raises:
        NothingToTrainError: a part has no rows.
    """
    newest = rows[time].max()
    if not isinstance(newest, datetime):
        raise NothingToTrainError("There are no labelled rows yet. Materialize the labels' partitions first.")
    test_after = newest - duration(split.test)
    validation_after = test_after - duration(split.validation)
    oldest = validation_after - duration(split.train) if split.train else None
    part = (
        pl.when(pl.col(time) > test_after)
        .then(pl.lit("test"))
        .when(pl.col(time) > validation_after)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    parted = rows.with_columns(split=part)
    begins = {row["split"]: row[time] for row in parted.group_by("split").agg(pl.col(time).min()).to_dicts()}
    missing = [name for name in PARTS if name not in begins]
    if missing:
        span = f"from {rows[time].min()} to {newest}"
        raise NothingToTrainError(
            f"The rows ({span}) leave no rows for {' and '.join(missing)} with validation={split.validation!r} "
            f"and test={split.test!r}. Materialize more history, or write a shorter split."
        )
    kept = _known_before(begins, "train", "validation") & _known_before(begins, "validation", "test")
    if oldest is not None:
        kept = kept & (pl.col(time) > oldest)
    return parted.filter(kept)


def _known_before(begins: dict[str, datetime], part: str, following: str) -> pl.Expr:
    return (pl.col("split") != part) | (pl.col("known_at") <= begins[following])

"""Dividing labelled rows by time into train, validation and test."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlp_assets.spec.errors import NothingToTrainError
from mlp_assets.spec.training_set import SplitByTime
from mlp_assets.spec.words import duration

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Parts:
    """Where the parts of a split lie in time: a row is told its part without the others.

    Args:
        oldest, validation_after, test_after: the train, validation and test rows come after them; ``oldest`` may be
            None.
        validation_begins, test_begins: the times of the first rows of these parts.
    """

    oldest: datetime | None
    validation_after: datetime
    test_after: datetime
    validation_begins: datetime
    test_begins: datetime

    def divided(self, rows: pl.LazyFrame, time: str) -> pl.LazyFrame:
        """The rows with the column ``split``; those that belong to no part are left out.

        An earlier row whose label was not yet known when the next part began is none: its answer overlaps it.

        Args:
            rows: with the columns ``time`` and ``known_at``.
        """
        validation, test = pl.col(time) > self.validation_after, pl.col(time) > self.test_after
        part = pl.when(test).then(pl.lit("test")).when(validation).then(pl.lit("validation")).otherwise(pl.lit("train"))
        next_begins = pl.when(validation).then(self.test_begins).otherwise(self.validation_begins)
        kept = test | (pl.col("known_at") <= next_begins)
        if self.oldest is not None:
            kept = kept & (pl.col(time) > self.oldest)
        return rows.filter(kept).with_columns(split=part)


def parts_of(rows: pl.LazyFrame, time: str, split: SplitByTime) -> Parts:
    """The newest ``split.test`` of the times is the test part, the ``split.validation`` before it the validation part.

    Raises:
        NothingToTrainError: a part has no rows.
    """
    newest = rows.select(pl.col(time).max()).collect(engine="streaming").item()
    if not isinstance(newest, datetime):
        raise NothingToTrainError("There are no labelled rows yet. Materialize the labels' partitions first.")
    test_after = newest - duration(split.test)
    validation_after = test_after - duration(split.validation)
    first = pl.col(time).min()
    found = rows.select(
        train=first,
        validation=pl.col(time).filter(pl.col(time) > validation_after, pl.col(time) <= test_after).min(),
        test=pl.col(time).filter(pl.col(time) > test_after).min(),
    )
    begins = found.collect(engine="streaming").row(0, named=True)
    begins["train"] = begins["train"] if begins["train"] <= validation_after else None
    missing = [name for name in PARTS if begins[name] is None]
    if missing:
        span = f"from {rows.select(first).collect().item()} to {newest}"
        raise NothingToTrainError(
            f"The rows ({span}) leave no rows for {' and '.join(missing)} with validation={split.validation!r} "
            f"and test={split.test!r}. Materialize more history, or write a shorter split."
        )
    oldest = validation_after - duration(split.train) if split.train else None
    return Parts(oldest, validation_after, test_after, begins["validation"], begins["test"])

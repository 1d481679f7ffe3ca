"""Splits labelled rows into train, validation and test: by time, or by groups that stay together."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from mlp_assets.errors import NothingToTrainError
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.training_set import SplitByGroup, SplitByTime

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class TimeParts:
    """The time bounds of the parts, so that each row's part can be decided without the other rows.

    Args:
        oldest, validation_after, test_after: train, validation and test rows are later than these; ``oldest`` may be
            None.
        validation_begins, test_begins: the times of the first rows of these parts.
    """

    oldest: datetime | None
    validation_after: datetime
    test_after: datetime
    validation_begins: datetime
    test_begins: datetime

    def divide(self, rows: pl.LazyFrame, time: str) -> pl.LazyFrame:
        """Adds the column ``split`` and drops rows that belong to no part.

        Drops rows whose label became known only after the next part began; they would leak across the split.

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


@dataclass(frozen=True)
class GroupParts:
    """Assigns whole groups to parts by a hash of the group's value, so that a group's part never changes.

    Args:
        by: the column of the group.
        validation, test: shares of the groups.
    """

    by: str
    validation: float
    test: float
    seed: int

    def divide(self, rows: pl.LazyFrame, time: str) -> pl.LazyFrame:
        """Adds the column ``split``."""
        place = pl.col(self.by).cast(pl.String).map_batches(self._places, return_dtype=pl.Float64)
        rest = pl.when(place < self.test + self.validation).then(pl.lit("validation")).otherwise(pl.lit("train"))
        return rows.with_columns(split=pl.when(place < self.test).then(pl.lit("test")).otherwise(rest))

    def _places(self, values: pl.Series) -> pl.Series:
        """Evenly distributed numbers in [0, 1). Polars' own hash may change with its next release."""
        places: dict[Any, float] = {value: self._place(value) for value in values.unique().to_list()}
        return pl.Series(values.name, [places[value] for value in values.to_list()], dtype=pl.Float64)

    def _place(self, value: str | None) -> float:
        text = f"{self.seed}:{'' if value is None else value}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest()) / 2**48


def group_parts(rows: pl.LazyFrame, split: SplitByGroup) -> GroupParts:
    """The parts of a split by group.

    Raises:
        NothingToTrainError: a part has no rows.
    """
    parts = GroupParts(split.by, split.validation, split.test, split.seed)
    groups = parts.divide(rows.select(split.by).unique(), "").group_by("split").len().collect(engine="streaming")
    counts = dict(groups.iter_rows())
    missing = [name for name in PARTS if name not in counts]
    if missing:
        raise NothingToTrainError(
            f"The {sum(counts.values())} values of {split.by!r} leave none for {' and '.join(missing)} with "
            f"validation={split.validation:g} and test={split.test:g}. Materialize more, or write larger shares."
        )
    return parts


def time_parts(rows: pl.LazyFrame, time: str, split: SplitByTime) -> TimeParts:
    """The parts of a split by time: the newest ``split.test`` is the test part, the ``split.validation`` before it the
    validation part.

    Raises:
        NothingToTrainError: a part has no rows.
    """
    newest = rows.select(pl.col(time).max()).collect(engine="streaming").item()
    if not isinstance(newest, datetime):
        raise NothingToTrainError("There are no labelled rows yet. Materialize the labels' partitions first.")
    test_after = newest - duration(split.test)
    validation_after = test_after - duration(split.validation)
    oldest = pl.col(time).min()
    first_times = rows.select(
        train=oldest,
        validation=pl.col(time).filter(pl.col(time) > validation_after, pl.col(time) <= test_after).min(),
        test=pl.col(time).filter(pl.col(time) > test_after).min(),
    )
    begins = first_times.collect(engine="streaming").row(0, named=True)
    begins["train"] = begins["train"] if begins["train"] <= validation_after else None
    missing = [name for name in PARTS if begins[name] is None]
    if missing:
        span = f"from {rows.select(oldest).collect().item()} to {newest}"
        raise NothingToTrainError(
            f"The rows ({span}) leave none for {' and '.join(missing)} with validation={split.validation!r} "
            f"and test={split.test!r}. Materialize more history, or write a shorter split."
        )
    train_after = validation_after - duration(split.train) if split.train else None
    return TimeParts(train_after, validation_after, test_after, begins["validation"], begins["test"])

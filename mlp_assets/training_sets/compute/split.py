"""Dividing labelled rows into train, validation and test: by time, or by groups that stay together."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from mlp_assets.errors import NothingToTrainError
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.split import SplitByGroup, SplitByTime

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


@dataclass(frozen=True)
class GroupParts:
    """The parts of groups: a row is told its part by the hash of its group alone, so it never changes.

    Args:
        validation, test: shares of the groups.
    """

    by: str
    validation: float
    test: float
    seed: int

    def divided(self, rows: pl.LazyFrame, time: str) -> pl.LazyFrame:
        """The rows with the column ``split``."""
        place = pl.col(self.by).cast(pl.String).map_batches(self._places, return_dtype=pl.Float64)
        rest = pl.when(place < self.test + self.validation).then(pl.lit("validation")).otherwise(pl.lit("train"))
        return rows.with_columns(split=pl.when(place < self.test).then(pl.lit("test")).otherwise(rest))

    def _places(self, values: pl.Series) -> pl.Series:
        """Numbers in [0, 1), as good as even. Polars' own hash may be another one in its next release."""
        known: dict[Any, float] = {value: self._place(value) for value in values.unique().to_list()}
        return pl.Series(values.name, [known[value] for value in values.to_list()], dtype=pl.Float64)

    def _place(self, value: str | None) -> float:
        told = f"{self.seed}:{'' if value is None else value}".encode()
        return int.from_bytes(hashlib.blake2b(told, digest_size=6).digest()) / 2**48


def group_parts(rows: pl.LazyFrame, split: SplitByGroup) -> GroupParts:
    """The parts of the groups of ``split.by``.

    Raises:
        NothingToTrainError: a part has no rows.
    """
    parts = GroupParts(split.by, split.validation, split.test, split.seed)
    groups = parts.divided(rows.select(split.by).unique(), "").group_by("split").len().collect(engine="streaming")
    found = dict(groups.iter_rows())
    missing = [name for name in PARTS if name not in found]
    if missing:
        raise NothingToTrainError(
            f"The {sum(found.values())} values of {split.by!r} leave none for {' and '.join(missing)} with "
            f"validation={split.validation:g} and test={split.test:g}. Materialize more, or write larger shares."
        )
    return parts


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

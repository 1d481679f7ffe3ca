"""Splits by time: newest for the gates, nothing whose answer overlaps the next part."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.engine.split import parts_of
from mlp_assets.spec.errors import NothingToTrainError

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def weeks(count: int, delay_days: int) -> pl.DataFrame:
    at = [MONDAY + timedelta(weeks=week) for week in range(count)]
    frame = pl.DataFrame({"at": at, "known_at": [time + timedelta(days=delay_days) for time in at]})
    return frame.with_columns(week=pl.int_range(pl.len()))


def divided(frame: pl.DataFrame, time: str, split: mlp.SplitByTime) -> pl.DataFrame:
    return parts_of(frame.lazy(), time, split).divided(frame.lazy(), time).collect()


def parts(frame: pl.DataFrame) -> dict[str, list[int]]:
    return {part: frame.filter(pl.col("split") == part)["week"].to_list() for part in ("train", "validation", "test")}


def test_the_newest_weeks_are_the_test_part() -> None:
    split = divided(weeks(8, 7), "at", mlp.SplitByTime(validation="2w", test="2w"))
    assert parts(split) == {"train": [0, 1, 2, 3], "validation": [4, 5], "test": [6, 7]}


def test_rows_whose_answer_was_not_yet_known_are_left_out() -> None:
    split = divided(weeks(8, 14), "at", mlp.SplitByTime(validation="2w", test="2w"))
    assert parts(split) == {"train": [0, 1, 2], "validation": [4], "test": [6, 7]}


def test_train_can_be_bounded() -> None:
    split = divided(weeks(8, 7), "at", mlp.SplitByTime(validation="2w", test="2w", train="2w"))
    assert parts(split)["train"] == [2, 3]


def test_too_little_history_is_said() -> None:
    with pytest.raises(NothingToTrainError, match="leave no rows for train"):
        divided(weeks(3, 7), "at", mlp.SplitByTime(validation="2w", test="2w"))
    with pytest.raises(NothingToTrainError, match="no labelled rows yet"):
        divided(weeks(1, 7).head(0), "at", mlp.SplitByTime())

"""A split by time keeps the newest rows for the test and leaks no label; a split by group keeps groups whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.errors import NothingToTrainError
from mlp_assets.training_sets.compute.split import group_parts, time_parts

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def weeks(count: int, delay_days: int) -> pl.DataFrame:
    at = [MONDAY + timedelta(weeks=week) for week in range(count)]
    frame = pl.DataFrame({"at": at, "known_at": [time + timedelta(days=delay_days) for time in at]})
    return frame.with_columns(week=pl.int_range(pl.len()))


def divide(frame: pl.DataFrame, time: str, split: mlp.SplitByTime) -> pl.DataFrame:
    return time_parts(frame.lazy(), time, split).divide(frame.lazy(), time).collect()


def parts(frame: pl.DataFrame) -> dict[str, list[int]]:
    return {part: frame.filter(pl.col("split") == part)["week"].to_list() for part in ("train", "validation", "test")}


def test_the_newest_weeks_are_the_test_part() -> None:
    split = divide(weeks(8, 7), "at", mlp.SplitByTime(validation="2w", test="2w"))
    assert parts(split) == {"train": [0, 1, 2, 3], "validation": [4, 5], "test": [6, 7]}


def test_rows_whose_label_became_known_in_the_next_part_are_dropped() -> None:
    split = divide(weeks(8, 14), "at", mlp.SplitByTime(validation="2w", test="2w"))
    assert parts(split) == {"train": [0, 1, 2], "validation": [4], "test": [6, 7]}


def test_the_train_part_can_be_bounded() -> None:
    split = divide(weeks(8, 7), "at", mlp.SplitByTime(validation="2w", test="2w", train="2w"))
    assert parts(split)["train"] == [2, 3]


def test_too_little_history_is_refused() -> None:
    with pytest.raises(NothingToTrainError, match="leave none for train"):
        divide(weeks(3, 7), "at", mlp.SplitByTime(validation="2w", test="2w"))
    with pytest.raises(NothingToTrainError, match="no labelled rows yet"):
        divide(weeks(1, 7).head(0), "at", mlp.SplitByTime())


def parts_of_groups(values: Sequence[str | None], split: mlp.SplitByGroup) -> list[str]:
    rows = pl.LazyFrame({"kind": values}, schema={"kind": pl.String})
    return group_parts(rows, split).divide(rows, "at").collect()["split"].to_list()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), more=st.lists(st.none() | st.text(max_size=5), max_size=50))
def test_a_group_stays_in_one_part_whatever_other_rows_there_are(seed: int, more: list[str | None]) -> None:
    split, values = mlp.SplitByGroup("kind", seed=seed), [f"kind {number % 200}" for number in range(400)]
    alone, together = parts_of_groups(values, split), parts_of_groups([*more, *values], split)
    assert together[len(more) :] == alone == alone[:200] * 2
    shares = {part: alone.count(part) / len(alone) for part in ("train", "validation", "test")}
    assert shares["train"] == pytest.approx(0.7, abs=0.17)  # five standard deviations of 200 draws
    assert shares["test"] == pytest.approx(0.2, abs=0.15)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(NothingToTrainError, match="values of 'kind' leave none for"):
        parts_of_groups(["a", "a"], mlp.SplitByGroup("kind"))

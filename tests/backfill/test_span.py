"""The days of a backfill: what is refused, and with which words; days are widened to whole partitions."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

import mlp_assets as mlp
from mlp_assets.backfill.span import SpanError, read_span
from mlp_assets.orchestration.partitions import windows_until
from tests.support import daily_orders

PROJECT = daily_orders.make()
NOW = datetime(2024, 2, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2024-13-01", None, "--from '2024-13-01' is not a day. Write it as in --from 2024-01-31."),
        (None, "yesterday", "--to 'yesterday' is not a day. Write it as in --to 2024-01-31."),
        (
            "2024-01-09",
            "2024-01-08",
            "--from 2024-01-09 is after --to 2024-01-08, so no day lies between them. Exchange the two.",
        ),
        (
            "2023-12-31",
            None,
            "--from 2023-12-31 is before the history: Source 'orders' begins on 2024-01-01. Write --from 2024-01-01, "
            "or leave it out.",
        ),
        (
            None,
            "2024-02-01",
            "--to 2024-02-01 is after the last window that has ended: Source 'orders' ends on 2024-01-31. "
            "Write --to 2024-01-31, or leave it out.",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(first: str | None, last: str | None, message: str) -> None:
    with pytest.raises(SpanError) as error:
        read_span(PROJECT, first, last, NOW)
    assert str(error.value) == message


def test_a_project_whose_first_window_has_not_ended_has_nothing_to_compute() -> None:
    with pytest.raises(SpanError, match="has no source with a window that has ended"):
        read_span(PROJECT, None, None, datetime(2024, 1, 1, 12, tzinfo=UTC))


def test_days_are_widened_to_the_partitions_that_hold_them() -> None:
    weekly = replace(PROJECT.sources[0], every="1w")
    grid = windows_until(weekly, "1w", NOW)
    within = read_span(PROJECT, "2024-01-10", "2024-01-15", NOW).within(grid)
    assert within == mlp.Window(datetime(2024, 1, 8, tzinfo=UTC), datetime(2024, 1, 22, tzinfo=UTC))
    assert read_span(PROJECT, None, None, NOW).within(grid) == mlp.Window(grid[0][1].start, grid[-1][1].end)

"""A feed that brings no rows, or far more or fewer than it does, is told where its rows enter."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets.features.compute.usual_rows import FeedRows, judged_rows, usual_range
from mlp_assets.orchestration.check_names import USUAL_ROWS
from tests.support import samples as s
from tests.support.platform import Platform, check_of, weeks

START = datetime(2024, 1, 1, tzinfo=UTC)
DEAD = START + timedelta(days=20)
NOW = START + timedelta(days=40)


def names(count: int) -> list[str]:
    return [f"{START + timedelta(days=day):%Y-%m-%d}" for day in range(count)]


def found(counts: list[int]) -> list[FeedRows]:
    """Those that are unusual."""
    days = names(len(counts))
    return [each for each in judged_rows(dict(zip(days, counts, strict=True)), days) if each.unusual]


@pytest.mark.parametrize(
    ("before", "low", "high"),
    [
        ([100] * 28, 50, 200),
        ([100, 101, 99, 100, 102, 98, 100], 50, 200),
        ([100, 100, 100, 100, 100, 20, 20] * 4, 1, 340),  # weekends are quiet: 20 and 100 are the quartiles
        ([3, 1, 2, 5, 1, 2, 9], 1, 11),  # never none
        ([0, 3, 0, 5, 0, 0, 1], 0, 8),
        ([0] * 28, 0, 0),
    ],
)
def test_the_usual_range(before: list[int], low: int, high: int) -> None:
    assert usual_range(before) == (low, high)


def test_partitions_out_of_their_range_are_found_and_young_histories_are_not_judged() -> None:
    assert found([100] * 6 + [0]) == []
    assert found([100] * 7 + [0]) == [FeedRows("2024-01-08", 0, 50, 200, 7)]
    assert [each.partition for each in found([100] * 10 + [0] + [100] * 10 + [900])] == ["2024-01-11", "2024-01-22"]


def orders(first: datetime, days: int) -> pl.DataFrame:
    """Ten orders a day, but for the day on which the feed was dead."""
    at = [first + timedelta(days=day, hours=hour) for day in range(days) for hour in range(10)]
    return pl.DataFrame({"user_id": [1] * len(at), "amount": [1.0] * len(at), "at": at}).filter(
        ~pl.col("at").is_between(DEAD, DEAD + timedelta(days=1), closed="left")
    )


def read_orders(window: mlp.Window) -> pl.DataFrame:
    return orders(window.start, (window.end - window.start).days)


def check(result: dg.ExecuteInProcessResult, kind: str) -> dg.AssetCheckEvaluation:
    evaluation = check_of(result, USUAL_ROWS, kind)
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    return evaluation


@pytest.mark.parametrize("place", ["source", "features"])
def test_a_dead_day_is_told_where_rows_enter(home: Path, tmp_path: Path, place: str) -> None:
    orders(START, 40).write_delta(tmp_path / "orders")
    origin = {"read": read_orders} if place == "source" else {"read": None, "delta": str(tmp_path / "orders")}
    events = s.source(start="2024-01-01", **origin)
    view = s.view(source=events, features={"spend": mlp.total("amount", over="3d")})
    project = mlp.Project("shop", owner="team:shop", assets=[view])
    made = Platform(project, home, now=lambda: NOW)
    made.run("source", "features", tags=weeks("2024-01-01", "2024-01-20"))
    dead = check(made.run("source", "features", tags=weeks("2024-01-21", "2024-01-21")), place)
    assert not dead.passed
    assert str(dead.description).startswith(
        "Source 'events' brought 0 rows for 2024-01-21; the 20 partitions before it let expect 5 to 20. Look whether"
    )
    facts = {name: value.value for name, value in dead.metadata.items()}
    usual = {"usual_from": 5, "usual_to": 20}
    assert facts == {"judged": 1, "unusual": 1, "partition": "2024-01-21", "rows": 0} | usual
    assert check(made.run("source", "features", tags=weeks("2024-01-22", "2024-01-22")), place).passed
    whole = check(made.run("source", "features", tags=weeks("2024-01-01", "2024-02-05")), place)
    assert whole.passed == (place == "features")  # it judges the newest of the days that it computes

"""The test kit: frames in, frames out."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import mlp_assets as mlp
from mlp_assets import testing
from mlp_assets.testing import KitError
from tests.support import samples as s

MONDAY = datetime(2024, 3, 4)
DAY = timedelta(days=1)


def view(**changes: object) -> mlp.FeatureView:
    defaults = {
        "source": s.source(start="2024-03-04"),
        "features": {"spend": mlp.total("amount", over="7d")},
        "ttl": "2d",
    }
    return s.view(**(defaults | changes))


def events(*rows: tuple[int, float, datetime]) -> dict[str, list[object]]:
    return dict(zip(("user_id", "amount", "at"), map(list, zip(*rows, strict=True)), strict=True))


ROWS = events((1, 3.0, MONDAY), (1, 4.0, MONDAY + 30 * DAY / 24), (2, 5.0, MONDAY + DAY))


def test_features_are_those_that_a_request_at_that_time_sees() -> None:
    frame = testing.features(view(), ROWS, at=["2024-03-05", "2024-03-05T23:59", datetime(2024, 3, 6)])
    assert frame.columns == ["user_id", "at", "spend"]
    times = [
        datetime(2024, 3, 5, tzinfo=UTC),
        datetime(2024, 3, 5, 23, 59, tzinfo=UTC),
        datetime(2024, 3, 6, tzinfo=UTC),
    ]
    # The row of 5 March is used until the row of 6 March, which holds the events of 5 March.
    assert frame.rows() == [
        (1, times[0], 3.0), (2, times[0], None),
        (1, times[1], 3.0), (2, times[1], None),
        (1, times[2], 7.0), (2, times[2], 5.0),
    ]  # fmt: skip


def test_expired_rows_and_unknown_entities_have_no_features() -> None:
    monthly = view(source=s.source(start="2024-03-04", end="2024-03-06"))
    asked = {"user_id": [1, 9]}
    assert testing.features(monthly, ROWS, at="2024-03-08", entities=asked)["spend"].to_list() == [7.0, None]
    assert testing.features(monthly, ROWS, at="2024-03-08T00:01", entities=asked)["spend"].to_list() == [None, None]


def test_the_table_has_a_version_for_late_rows() -> None:
    columns = {"user_id": pl.Int64, "amount": pl.Float64, "at": pl.Datetime, "came": pl.Datetime}
    late = view(source=s.source(start="2024-03-04", columns=columns, known_at="came"))
    rows = events((1, 3.0, MONDAY), (1, 4.0, MONDAY)) | {"came": [MONDAY, MONDAY + 36 * DAY / 24]}
    frame = testing.table(late, rows)
    assert frame.select("event_time", "known_at", "spend").rows() == [
        (datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC), 3.0),
        (datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 6, tzinfo=UTC), 7.0),  # its partition is over by then
    ]
    assert testing.features(late, rows, at=["2024-03-05T23:59", "2024-03-06T00:00"])["spend"].to_list() == [3.0, 7.0]
    assert testing.table(late, rows, until="2024-03-06").height == 3


def test_a_view_over_a_view_takes_rows_of_the_source_or_of_the_view_below() -> None:
    below = view()
    habit = s.view(name="habit", source=below, features={"most": mlp.maximum("spend", over="3d")}, ttl=None)
    assert testing.features(habit, ROWS, at="2024-03-06")["most"].to_list() == [7.0, 5.0]
    assert testing.features(habit, {below.source: ROWS}, at="2024-03-06")["most"].to_list() == [7.0, 5.0]
    stored = {"user_id": [1], "event_time": [MONDAY + DAY], "spend": [2]}
    assert testing.features(habit, {below: stored}, at="2024-03-06")["most"].to_list() == [2.0]
    with pytest.raises(KitError, match="'spend' is missing. Did you mean 'spent'"):
        testing.features(habit, {below: {"user_id": [1], "event_time": [MONDAY], "spent": [2]}}, at="2024-03-06")


def test_without_rows_there_are_no_features() -> None:
    empty = {"user_id": [], "amount": [], "at": []}
    assert testing.table(view(), empty).is_empty()
    assert testing.features(view(), empty, at="2024-03-06", entities={"user_id": [1]})["spend"].to_list() == [None]


def training_set(**changes: object) -> mlp.TrainingSet:
    return s.training_set(**({"features": [view()], "labels": s.labels(start="2024-03-04")} | changes))


LABELS = {
    "user_id": [1, 2, 1], "bought": [1, 0, None], "hour": [9, 9, 9], "at": [MONDAY + 2 * DAY, MONDAY + DAY, MONDAY],
}  # fmt: skip


def test_a_training_set_of_two_rows() -> None:
    frame = testing.training_set(training_set(request=["hour"]), LABELS, ROWS, split=False)
    assert frame.columns == ["user_id", "at", "known_at", "spend", "hour", "bought"]
    assert frame.drop("at", "known_at").rows() == [(2, None, 9.0, 0.0), (1, 7.0, 9.0, 1.0)]
    assert frame["known_at"].to_list() == [at + 7 * DAY for at in frame["at"]]


def test_a_frame_too_small_to_split_is_refused() -> None:
    with pytest.raises(mlp.MlpError, match="leave none for train and validation with validation='2w'"):
        testing.training_set(training_set(), LABELS, ROWS)


def test_errors_say_what_to_write() -> None:
    with pytest.raises(mlp.ProjectError, match=r"column 'amuont' is not in Source 'events'. Did you mean 'amount'\?"):
        testing.features(view(features={"spend": mlp.total("amuont", over="7d")}), ROWS, at="2024-03-05")
    with pytest.raises(mlp.MlpError, match=r"'amount' is missing. Did you mean 'amounts'\?"):
        testing.table(view(), {"user_id": [1], "amounts": [2.0], "at": [MONDAY]})
    with pytest.raises(mlp.MlpError, match="its data holds String. It says when a row happened"):
        testing.table(view(), events((1, 3.0, "2024-03-04")))  # type: ignore[arg-type]
    with pytest.raises(
        KitError,
        match=r"Source 'events': 1 of 1 rows happened before start='2024-03-04'.*first happened at 2024-03-03 00:00",
    ):
        testing.table(view(), events((1, 3.0, MONDAY - DAY)))
    with pytest.raises(KitError, match="at='soon' is not a time. Write '2024-03-11'"):
        testing.features(view(), ROWS, at="soon")
    with pytest.raises(KitError, match="entities has no column 'user_id', a key of .*Did you mean 'user'"):
        testing.features(view(), ROWS, at="2024-03-05", entities={"user": [1]})
    with pytest.raises(KitError, match="is computed from Source 'events', but the rows are those of Source 'labels'"):
        testing.table(view(), {s.labels(): ROWS})
    with pytest.raises(KitError, match=r"not a table.*Write a list for each column"):
        testing.table(view(), {"user_id": [1], "amount": [1.0, 2.0], "at": [MONDAY]})


def test_importing_the_kit_imports_no_heavy_library() -> None:
    code = "import sys, mlp_assets.testing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"dagster", "ray", "mlflow", "torch", "deltalake"} & set(loaded)


def test_what_is_declared_is_online_a_tenth_of_the_cadence_after_its_run() -> None:
    times = ["2024-03-05T00:59", "2024-03-05T01:00"]
    frame = testing.features(view(), ROWS, at=times, entities={"user_id": [1]}, availability="declared")
    assert frame["spend"].to_list() == [None, 3.0]
    late = view(publish_delay="90m")
    frame = testing.features(late, ROWS, at=times, entities={"user_id": [1]}, availability="declared")
    assert frame["spend"].to_list() == [None, None]
    served = training_set(availability="served")
    labels = {"user_id": [1, 1], "bought": [1, 0], "hour": [9, 9], "at": [MONDAY + DAY, MONDAY + DAY + DAY / 24]}
    assert testing.training_set(served, labels, ROWS, split=False)["spend"].to_list() == [None, 3.0]

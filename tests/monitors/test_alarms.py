"""Alarms and episodes: what alarms, what belongs together, and what is never called fine."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.metrics.window_figures import TIDY_SCHEMA, tidy
from mlp_assets.monitors.compute.alarms import WindowState, combine, episodes, judge, with_known_ids
from mlp_assets.monitors.compute.quality import quality

states = st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from(["1", "1", "1", "2"])), max_size=25)


def rows(values: dict[str, list[float | None]], method: str = "jensen_shannon", upper: float = 0.1) -> pl.DataFrame:
    """Feature -> its value in each window; None is insufficient."""
    found = [
        {
            "window": f"2024-01-{number + 1:02d}", "feature": feature, "method": method,
            "value": value, "reference": 0.8,
            "lower": 0.75, "upper": upper, "exceeded": None if value is None else value > upper, "rows": 1000,
            "sufficient": value is not None,
        }
        for feature, series in values.items()
        for number, value in enumerate(series)
    ]  # fmt: skip
    return pl.DataFrame(found, schema=TIDY_SCHEMA)


def raised(alarm: object, frame: pl.DataFrame) -> list[bool | None]:
    versions = dict.fromkeys(frame["window"].unique().to_list(), "1")
    return [state.alarm for state in combine([(alarm, judge(alarm, frame))], versions)]  # type: ignore[arg-type]


def test_a_share_of_features_alarms_after_two_windows() -> None:
    frame = rows({"a": [0.05, 0.2, 0.2, 0.05], "b": [0.05] * 4})
    assert raised(mlp.DriftAlarm(share=0.5, strong=None), frame) == [False, False, True, False]
    assert raised(mlp.DriftAlarm(share=0.6, strong=None), frame) == [False] * 4


def test_one_strong_feature_alarms_alone() -> None:
    frame = rows({"a": [0.5, 0.5]} | {f"other_{n}": [0.01, 0.01] for n in range(20)})
    assert raised(mlp.DriftAlarm(consecutive=1), frame) == [True, True]
    assert "a (jensen_shannon 0.500, limit 0.100)" in judge(mlp.DriftAlarm(), frame)[0].sentence


def test_insufficient_data_is_no_verdict() -> None:
    verdicts = judge(mlp.DriftAlarm(), rows({"a": [None]}))
    assert [(verdict.alarm, verdict.sentence) for verdict in verdicts] == [(None, "insufficient data")]
    assert raised(mlp.DriftAlarm(strong=None), rows({"a": [0.2, None, 0.2, 0.0]})) == [False, None, True, False]


def test_performance_must_leave_the_band_by_enough() -> None:
    frame = rows({"prediction": [0.80, 0.745, 0.70]}, "realised_roc_auc", upper=0.85)
    assert raised(mlp.PerformanceAlarm("roc_auc", consecutive=1), frame) == [False, True, True]
    assert raised(mlp.PerformanceAlarm("roc_auc", consecutive=1, drop=0.1), frame) == [False, False, True]


@given(states, st.integers(1, 3))
def test_episodes_hold_every_alarm_once_and_one_version_each(
    given_states: list[tuple[bool | None, str]], calm: int
) -> None:
    made = [WindowState(f"{number:03d}", version, alarm, "x") for number, (alarm, version) in enumerate(given_states)]
    found = episodes("m", made, calm=calm)
    assert len({episode.id for episode in found}) == len(found)
    for state in made:
        holding = [
            e
            for e in found
            if e.first_window <= state.window <= e.last_window and e.model_version == state.model_version
        ]
        assert len(holding) == 1 or not state.alarm
    for episode in found[:-1]:
        assert not episode.open


def test_an_episode_ends_after_calm_windows() -> None:
    alarms = [True, False, True, False, False, True]
    made = [WindowState(f"{number}", "1", alarm, "x") for number, alarm in enumerate(alarms)]
    assert [(e.first_window, e.last_window, e.open) for e in episodes("m", made, calm=2)] == [
        ("0", "2", False),
        ("5", "5", True),
    ]


def test_insufficient_data_ends_no_episode() -> None:
    made = [WindowState(f"{number}", "1", alarm, "x") for number, alarm in enumerate([True, None, None, None, False])]
    assert [(e.first_window, e.open) for e in episodes("m", made, calm=2)] == [("0", True)]


def test_an_episode_keeps_its_id_when_late_labels_move_its_start() -> None:
    made = [WindowState(f"{number}", "1", number in {3, 4}, "x") for number in range(5)]
    before = {window: e.id for e in episodes("m", made, calm=2) for window in ("3", "4")}
    late = [WindowState(f"{number}", "1", number in {2, 3, 4}, "x") for number in range(5)]
    found = with_known_ids(episodes("m", late, calm=2), late, before)
    assert [(e.id, e.first_window) for e in found] == [("m:1:3", "2")]
    other = [WindowState(state.window, "2", state.alarm, "x") for state in late]
    assert [e.id for e in with_known_ids(episodes("m", other, calm=2), other, before)] == ["m:2:2"]


def test_a_limit_can_be_passed() -> None:
    schema = {"window": pl.String, "feature": pl.String, "method": pl.String, "value": pl.Float64, "rows": pl.Int64}
    told = [("w", "x", "missing_share", 1.0, 900)]
    usual = [("r", "x", "missing_share", share, 900) for share in (0.55, 0.56)]
    judged = tidy(
        pl.DataFrame(told, schema=schema, orient="row"),
        pl.DataFrame(usual, schema=schema, orient="row"),
        floor=0.05,
        minimum_rows=1,
    )
    assert judged.select("upper", "exceeded").row(0) == (pytest.approx(0.78), True)


@pytest.mark.parametrize("usual", [[], [float("nan")], [0.8], [0.8, float("nan")]])
def test_a_reference_without_spread_gives_no_verdict(usual: list[float]) -> None:
    schema = {"window": pl.String, "feature": pl.String, "method": pl.String, "value": pl.Float64, "rows": pl.Int64}
    windows = pl.DataFrame([("w", "prediction", "realised_roc_auc", 0.1, 900)], schema=schema, orient="row")
    rows_ = [("r", "prediction", "realised_roc_auc", value, 900) for value in usual]
    reference = pl.DataFrame(rows_, schema=schema, orient="row")
    judged = tidy(windows, reference, floor=0.0, minimum_rows=1, one_sided=False).row(0, named=True)
    assert (judged["exceeded"], judged["sufficient"]) == (None, False)


def test_quality_sees_missing_and_out_of_range_values() -> None:
    reference = pl.DataFrame({"window": ["a"] * 500 + ["b"] * 500, "x": [float(n % 100) for n in range(1000)]})
    windows = pl.DataFrame({"window": ["c"] * 600, "x": [None] * 300 + [9000.0] * 300})
    found = quality(reference, windows, ["x"], minimum_rows=100)
    assert dict(found.select("method", "value").iter_rows()) == {"missing_share": 0.5, "out_of_range_share": 0.5}
    assert found["exceeded"].to_list() == [True, True]
    assert quality(reference, windows.head(50), ["x"], minimum_rows=100)["sufficient"].to_list() == [False, False]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_figure_that_is_no_number_is_never_fine(value: float | None) -> None:
    schema = {"window": pl.String, "feature": pl.String, "method": pl.String, "value": pl.Float64, "rows": pl.Int64}
    windows = pl.DataFrame([("w", "x", "m", value, 900)], schema=schema, orient="row")
    reference = pl.DataFrame([("r", "x", "m", 0.1, 900)], schema=schema, orient="row")
    judged = tidy(windows, reference, floor=0.1, minimum_rows=1).row(0, named=True)
    assert (judged["exceeded"], judged["sufficient"]) == (None, False)

"""Which windows alarm, which alarms form one episode, and that insufficient data never count as calm."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlp_assets as mlp
from mlp_assets.metrics.window_figures import FIGURES_SCHEMA, add_limits, values_frame
from mlp_assets.monitors.compute.alarms import WindowState, combine_verdicts, find_episodes, judge_windows, keep_ids
from mlp_assets.monitors.compute.quality import quality_figures

window_states = st.lists(
    st.tuples(st.sampled_from([True, False, None]), st.sampled_from(["1", "1", "1", "2"])), max_size=25
)


def figures(values: dict[str, list[float | None]], method: str = "jensen_shannon", upper: float = 0.1) -> pl.DataFrame:
    """Figures of features, from the value of each feature in each window; None is insufficient."""
    rows = [
        {
            "window": f"2024-01-{number + 1:02d}", "feature": feature, "method": method,
            "value": value, "reference": 0.8,
            "lower": 0.75, "upper": upper, "exceeded": None if value is None else value > upper, "rows": 1000,
            "sufficient": value is not None,
        }
        for feature, series in values.items()
        for number, value in enumerate(series)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=FIGURES_SCHEMA)


def alarms_by_window(alarm: object, frame: pl.DataFrame) -> list[bool | None]:
    versions = dict.fromkeys(frame["window"].unique().to_list(), "1")
    return [state.alarm for state in combine_verdicts([(alarm, judge_windows(alarm, frame))], versions)]  # type: ignore[arg-type]


def test_a_share_of_drifted_features_alarms_after_two_windows() -> None:
    frame = figures({"a": [0.05, 0.2, 0.2, 0.05], "b": [0.05] * 4})
    assert alarms_by_window(mlp.DriftAlarm(share=0.5, strong=None), frame) == [False, False, True, False]
    assert alarms_by_window(mlp.DriftAlarm(share=0.6, strong=None), frame) == [False] * 4


def test_one_strong_feature_alarms_alone() -> None:
    frame = figures({"a": [0.5, 0.5]} | {f"other_{n}": [0.01, 0.01] for n in range(20)})
    assert alarms_by_window(mlp.DriftAlarm(consecutive=1), frame) == [True, True]
    assert "a (jensen_shannon 0.500, limit 0.100)" in judge_windows(mlp.DriftAlarm(), frame)[0].message


def test_insufficient_data_give_no_verdict() -> None:
    verdicts = judge_windows(mlp.DriftAlarm(), figures({"a": [None]}))
    assert [(verdict.alarm, verdict.message) for verdict in verdicts] == [(None, "insufficient data")]
    assert alarms_by_window(mlp.DriftAlarm(strong=None), figures({"a": [0.2, None, 0.2, 0.0]})) == [
        False,
        None,
        True,
        False,
    ]


def test_performance_must_leave_the_band_by_enough() -> None:
    frame = figures({"prediction": [0.80, 0.745, 0.70]}, "realised_roc_auc", upper=0.85)
    assert alarms_by_window(mlp.PerformanceAlarm("roc_auc", consecutive=1), frame) == [False, True, True]
    assert alarms_by_window(mlp.PerformanceAlarm("roc_auc", consecutive=1, drop=0.1), frame) == [False, False, True]


@given(window_states, st.integers(1, 3))
def test_every_alarm_belongs_to_one_episode_of_its_version(drawn: list[tuple[bool | None, str]], calm: int) -> None:
    states = [WindowState(f"{number:03d}", version, alarm, "x") for number, (alarm, version) in enumerate(drawn)]
    episodes = find_episodes("m", states, calm=calm)
    assert len({episode.id for episode in episodes}) == len(episodes)
    for state in states:
        holding = [
            e
            for e in episodes
            if e.first_window <= state.window <= e.last_window and e.model_version == state.model_version
        ]
        assert len(holding) == 1 or not state.alarm
    for episode in episodes[:-1]:
        assert not episode.open


def test_an_episode_ends_after_calm_windows() -> None:
    states = states_of([True, False, True, False, False, True])
    assert [(e.first_window, e.last_window, e.open) for e in find_episodes("m", states, calm=2)] == [
        ("0", "2", False),
        ("5", "5", True),
    ]


def test_insufficient_data_ends_no_episode() -> None:
    states = states_of([True, None, None, None, False])
    assert [(e.first_window, e.open) for e in find_episodes("m", states, calm=2)] == [("0", True)]


def test_an_episode_keeps_its_id_when_late_labels_move_its_start() -> None:
    states = states_of([number in {3, 4} for number in range(5)])
    recorded = {window: e.id for e in find_episodes("m", states, calm=2) for window in ("3", "4")}
    late = states_of([number in {2, 3, 4} for number in range(5)])
    kept = keep_ids(find_episodes("m", late, calm=2), late, recorded)
    assert [(e.id, e.first_window) for e in kept] == [("m:1:3", "2")]
    next_version = states_of([number in {2, 3, 4} for number in range(5)], version="2")
    kept = keep_ids(find_episodes("m", next_version, calm=2), next_version, recorded)
    assert [e.id for e in kept] == ["m:2:2"]


def states_of(alarms: list[bool | None] | list[bool], version: str = "1") -> list[WindowState]:
    return [WindowState(f"{number}", version, alarm, "x") for number, alarm in enumerate(alarms)]


def test_the_limit_of_a_share_stays_below_one() -> None:
    windows = values_frame([("w", "x", "missing_share", 1.0, 900)])
    reference = values_frame([("r", "x", "missing_share", share, 900) for share in (0.55, 0.56)])
    row = add_limits(windows, reference, floor=0.05, minimum_rows=1)
    assert row.select("upper", "exceeded").row(0) == (pytest.approx(0.78), True)


@pytest.mark.parametrize("ordinary", [[], [float("nan")], [0.8], [0.8, float("nan")]])
def test_a_reference_without_spread_gives_no_verdict(ordinary: list[float]) -> None:
    windows = values_frame([("w", "prediction", "realised_roc_auc", 0.1, 900)])
    reference = values_frame([("r", "prediction", "realised_roc_auc", value, 900) for value in ordinary])
    row = add_limits(windows, reference, floor=0.0, minimum_rows=1, one_sided=False).row(0, named=True)
    assert (row["exceeded"], row["sufficient"]) == (None, False)


def test_quality_sees_missing_and_out_of_range_values() -> None:
    reference = pl.DataFrame({"window": ["a"] * 500 + ["b"] * 500, "x": [float(n % 100) for n in range(1000)]})
    windows = pl.DataFrame({"window": ["c"] * 600, "x": [None] * 300 + [9000.0] * 300})
    rows = quality_figures(reference.lazy(), windows.lazy(), ["x"], minimum_rows=100)
    assert dict(rows.select("method", "value").iter_rows()) == {"missing_share": 0.5, "out_of_range_share": 0.5}
    assert rows["exceeded"].to_list() == [True, True]
    few = quality_figures(reference.lazy(), windows.lazy().head(50), ["x"], minimum_rows=100)
    assert few["sufficient"].to_list() == [False, False]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_figure_without_a_value_gives_no_verdict(value: float | None) -> None:
    windows = values_frame([("w", "x", "m", value, 900)])
    reference = values_frame([("r", "x", "m", 0.1, 900)])
    row = add_limits(windows, reference, floor=0.1, minimum_rows=1).row(0, named=True)
    assert (row["exceeded"], row["sufficient"]) == (None, False)


@pytest.mark.parametrize(
    ("method", "ordinary", "one_sided", "judged"),
    [
        ("jensen_shannon", [0.4, 1.0], True, False),  # one window of the reference is as far from the others as can be
        ("jensen_shannon", [0.4, 0.9], True, True),
        ("realised_roc_auc", [0.9, 0.1], False, False),  # the lower limit is below 0
        ("realised_roc_auc", [0.8, 0.7], False, True),
        ("realised_brier", [0.9, 0.1], False, False),  # the upper limit is above 1
        ("realised_brier", [0.02, 0.2], False, True),  # the lower limit is below 0, but less is better
        ("realised_mae", [90.0, 1.0], False, True),
    ],
)
def test_a_limit_that_nothing_can_exceed_gives_no_verdict(
    method: str, ordinary: list[float], one_sided: bool, judged: bool
) -> None:
    reference = values_frame(("r", "prediction", method, value, 500) for value in ordinary)
    windows = values_frame([("2024-01-01", "prediction", method, 0.5, 500)])
    judged_figures = add_limits(windows, reference, floor=0.1, minimum_rows=100, one_sided=one_sided)
    assert judged_figures["sufficient"].to_list() == [judged]
    metric = method.partition("_")[2]
    alarm: Any = mlp.DriftAlarm() if one_sided else mlp.PerformanceAlarm(metric, kind="realised")
    (verdict,) = judge_windows(alarm, judged_figures)
    assert (verdict.alarm is None) == (not judged)
    if not judged:
        assert verdict.message.startswith(f"cannot judge {method}: too few rows a window, so that the windows of the")
        (state,) = combine_verdicts([(alarm, [verdict])], {"2024-01-01": "1"})
        assert (state.alarm, state.message) == (None, verdict.message)


def test_what_cannot_be_judged_is_told_beside_what_was_judged() -> None:
    reference = values_frame(("r", "prediction", "realised_roc_auc", value, 500) for value in (0.9, 0.1))
    windows = values_frame([("2024-01-01", "prediction", "realised_roc_auc", 0.5, 500)])
    unreachable = add_limits(windows, reference, floor=0.0, minimum_rows=100, one_sided=False)
    frame = pl.concat([figures({"a": [0.05]}), unreachable])
    alarms: list[Any] = [mlp.DriftAlarm(), mlp.PerformanceAlarm("roc_auc", kind="realised")]
    (state,) = combine_verdicts([(alarm, judge_windows(alarm, frame)) for alarm in alarms], {"2024-01-01": "1"})
    assert state.alarm is False
    assert state.message.startswith("cannot judge realised_roc_auc")


def test_missing_texts_are_counted() -> None:
    reference = pl.DataFrame({"window": ["a"] * 100 + ["b"] * 100, "city": ["x"] * 200})
    windows = pl.DataFrame({"window": ["c"] * 100, "city": ["x"] * 60 + [None] * 40})
    (row,) = quality_figures(reference.lazy(), windows.lazy(), ["city"], minimum_rows=50).to_dicts()
    assert (row["method"], row["value"], row["exceeded"]) == ("missing_share", 0.4, True)

"""Slices, calibration, budgets, sanity checks and the comparison with the champion: what they pass and refuse."""

import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import mlp_assets as mlp
from mlp_assets.artifact.encoding import Matrix
from mlp_assets.metrics.calibration import calibration_error, relative_bias
from mlp_assets.models.evaluation.gates import judge, names
from mlp_assets.models.evaluation.judgement import Evaluation, GateResult
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.sanity import ALONE, FINITE
from mlp_assets.models.evaluation.slices import slices
from mlp_assets.nouns.task import BINARY, REGRESSION

DRAW = np.random.default_rng(0)
ROWS = 4000
X = DRAW.normal(size=ROWS)
CHANCE = 1 / (1 + np.exp(-X))
TRUTH = (DRAW.random(ROWS) < CHANCE).astype(float)
REGION = np.where(np.arange(ROWS) % 10 == 0, "north", np.where(np.arange(ROWS) % 1000 == 1, "tiny", "south"))
FRAME = pl.DataFrame({"user_id": np.arange(ROWS) // 20, "region": REGION, "x": X, "y": TRUTH})

ALL = LabelledRows(FRAME.lazy())


def sigmoid(matrix: Matrix) -> np.ndarray:
    return 1 / (1 + np.exp(-matrix[:, 0]))


def trial(candidate: np.ndarray = CHANCE, champion: np.ndarray | None = None, **more: object) -> Evaluation:
    made = Evaluation(BINARY, "y", ("user_id", "region"), ("x",), ALL, ALL, candidate, champion, 0, predict=sigmoid)
    frames = {name: LabelledRows(value.lazy()) for name, value in more.items() if isinstance(value, pl.DataFrame)}
    return replace(made, **more | frames)  # type: ignore[arg-type]


def result(gate: object, given: Evaluation) -> GateResult:
    return judge(given, (gate,)).results[0]  # type: ignore[arg-type]


def test_a_bad_slice_is_named_and_a_small_one_is_not_judged() -> None:
    shuffled = CHANCE.copy()
    north = REGION == "north"
    shuffled[north] = DRAW.permutation(CHANCE[north])
    gate = mlp.OnEverySlice("roc_auc", 0.6, by="region", min_rows=100)
    assert result(gate, trial()).passed
    found = result(gate, trial(shuffled))
    assert not found.passed
    assert found.numbers == {"slices": 2, "slices_refused": 1, "not_judged": 1}
    assert "roc_auc is at least 0.6 on 1 of 2 slices by region; not on north 0." in found.sentence
    assert "(400 rows). 1 with fewer than 100 rows are not judged." in found.sentence
    assert mlp.AtLeast("roc_auc", 0.6).value < roc_auc_score(TRUTH, shuffled)  # the mean hides it


def test_a_slice_without_a_metric_is_not_passed_in_silence() -> None:
    one_class = FRAME.with_columns(y=pl.when(pl.col("region") == "north").then(1.0).otherwise("y"))
    found = result(mlp.OnEverySlice("roc_auc", 0.5, by="region"), trial(rows=one_class))
    assert not found.passed
    assert "not on north nan (400 rows)" in found.sentence
    none = result(mlp.OnEverySlice("roc_auc", 0.5, by="region", min_rows=10**6), trial())
    assert not none.passed
    assert "so nothing is judged: lower min_rows" in none.sentence


def test_a_floor_of_a_metric_that_is_better_when_lower() -> None:
    assert result(mlp.OnEverySlice("log_loss", 0.7, by="region"), trial()).passed
    assert not result(mlp.OnEverySlice("log_loss", 0.3, by="region"), trial()).passed


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=4, max_size=40))
def test_slices_are_those_of_a_loop(labels: list[str | None]) -> None:
    draw = np.random.default_rng(len(labels))
    truth, guess = (draw.random(len(labels)) < 0.5).astype(float), draw.random(len(labels))
    rows = pl.DataFrame({"region": pl.Series(labels, dtype=pl.String), "y": truth, "user_id": 1, "x": 0.0})
    found = {one.value: (one.rows, one.metric) for one in slices(trial(guess, rows=rows), "region", "brier")}
    expected = {}
    for value in {label or "missing" for label in labels}:
        here = [n for n, label in enumerate(labels) if (label or "missing") == value]
        expected[value] = (len(here), pytest.approx(sum((truth[n] - guess[n]) ** 2 for n in here) / len(here)))
    assert found == expected


def test_a_feature_of_many_numbers_is_cut_at_its_quartiles() -> None:
    gaps = FRAME.with_columns(x=pl.when(pl.col("user_id") > 5).then("x"))
    found = slices(trial(rows=gaps), "x", "log_loss")
    assert sorted(one.rows for one in found) == [120, 970, 970, 970, 970]
    assert {one.value for one in found} >= {"missing"}


def plain_calibration_error(truth: list[float], guess: list[float], bins: int) -> float:
    """Sorted, dealt out into bins whose sizes differ by one at most, the larger ones first."""
    rows = sorted(zip(guess, range(len(guess)), truth, strict=True))
    bins = min(bins, len(rows))
    total, begin = 0.0, 0
    for number in range(bins):
        size = len(rows) // bins + (number < len(rows) % bins)
        some = rows[begin : begin + size]
        begin += size
        total += abs(sum(row[0] for row in some) - sum(row[2] for row in some))
    return total / len(rows)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50), st.integers(1, 12))
def test_the_calibration_error_is_that_of_a_loop(rows: list[tuple[bool, float]], bins: int) -> None:
    truth, guess = [float(label) for label, _ in rows], [value for _, value in rows]
    found = calibration_error(np.array(truth), np.array(guess), bins)
    assert found == pytest.approx(plain_calibration_error(truth, guess, bins), abs=1e-9)


def test_calibration() -> None:
    assert result(mlp.Calibrated(0.03), trial()).passed
    found = result(mlp.Calibrated(0.03), trial(CHANCE / 3))
    assert not found.passed
    assert "The expected calibration error is 0.3" in found.sentence
    assert relative_bias(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == 0.25
    assert np.isnan(relative_bias(np.zeros(3), np.ones(3)))
    biased = trial(X * 0 + 5.5, task=REGRESSION, rows=FRAME.with_columns(y=pl.lit(5.0)))
    assert "is 0.1000; at most 0.05 is allowed" in result(mlp.Calibrated(0.05), biased).sentence


def test_budgets() -> None:
    slow = trial(predict=lambda matrix: (time.sleep(0.01), sigmoid(matrix))[1])
    assert result(mlp.FasterThan(100), trial()).passed
    refused = result(mlp.FasterThan(5, rows=10), slow)
    assert not refused.passed
    assert 10 <= refused.numbers["milliseconds"] < 100
    assert "predictions of 10 rows took at most" in refused.sentence
    assert not result(mlp.FasterThan(5), trial(predict=None)).passed
    assert result(mlp.SmallerThan(2), trial(size_bytes=2_000_000)).passed
    assert not result(mlp.SmallerThan(2), trial(size_bytes=2_000_001)).passed


def found_of(name: str, given: Evaluation) -> GateResult:
    return {each.name: each for each in judge(given, ()).results}[name]


def test_every_model_must_be_finite_and_look_at_each_row_by_itself() -> None:
    assert found_of(FINITE, trial()).passed
    assert found_of(ALONE, trial()).passed
    batch_mean = trial(predict=lambda matrix: sigmoid(matrix - 0.001 * matrix.mean()))
    assert not found_of(ALONE, batch_mean).passed
    by_place = trial(predict=lambda matrix: sigmoid(matrix) + 1e-4 * np.arange(len(matrix)))
    refused = found_of(ALONE, by_place)
    assert not refused.passed
    assert "in another order" in refused.sentence
    broken = np.where(np.arange(ROWS) == 7, np.nan, CHANCE)
    assert not found_of(FINITE, trial(broken)).passed
    assert not any(each.passed for each in judge(trial(broken), (mlp.Calibrated(1.0),)).results)
    assert names((mlp.Calibrated(1.0),)) == ["calibrated", FINITE, ALONE]


WORSE = np.clip(CHANCE + DRAW.normal(0, 0.02, ROWS), 0.001, 0.999)


def test_a_tie_passes_and_a_margin_is_what_it_says() -> None:
    gate = mlp.NoWorseThan("champion", metric="log_loss")
    tie = result(gate, trial(CHANCE, CHANCE))
    assert tie.passed
    assert tie.numbers == {"log_loss_gain": 0.0, "log_loss_gain_low": 0.0}
    lost = result(gate, trial(WORSE, CHANCE))
    assert not lost.passed
    assert lost.numbers["log_loss_gain_low"] < lost.numbers["log_loss_gain"] < 0
    loss, low = -lost.numbers["log_loss_gain"], -lost.numbers["log_loss_gain_low"]
    assert result(replace(gate, margin=loss * 1.01), trial(WORSE, CHANCE)).passed
    assert not result(replace(gate, margin=loss * 1.01, sure=True), trial(WORSE, CHANCE)).passed
    assert result(replace(gate, margin=low * 1.01, sure=True), trial(WORSE, CHANCE)).passed
    assert result(replace(gate, sure=True), trial(CHANCE, CHANCE)).passed
    assert result(gate, trial()).passed


def test_rows_that_the_champion_was_trained_on_do_not_count() -> None:
    """It knows the first half by heart."""
    half = np.arange(ROWS) >= ROWS // 2
    champion = np.where(half, WORSE, TRUTH)
    gate = mlp.NoWorseThan("champion")
    assert not result(gate, trial(CHANCE, champion)).passed
    found = result(gate, trial(CHANCE, champion, champion_new=half))
    assert found.passed
    assert "Judged on the 2000 of 4000 rows that the champion was not trained on." in found.sentence
    none = result(gate, trial(CHANCE, champion, champion_new=half & False))
    assert not none.passed
    assert "Wait for newer labels" in none.sentence

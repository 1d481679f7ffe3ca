"""The report of a model: intervals that hold the truth, importances that find what matters, slices that are weak."""

import numpy as np
import polars as pl
import pytest

from mlp_assets.artifact.encoding import Matrix
from mlp_assets.metrics.bootstrap import interval
from mlp_assets.models.evaluation.judgement import Evaluation
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.pictures import importance_picture, slices_picture
from mlp_assets.models.evaluation.report import importances, part_scores, weak_spots
from mlp_assets.nouns.task import BINARY

ROWS, USERS = 4000, 200


def predict(matrix: Matrix) -> np.ndarray:
    return 1 / (1 + np.exp(-(2.0 * matrix[:, 0] + 0.5 * matrix[:, 1])))


def frame(seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    made = pl.DataFrame(
        {
            "user": rng.integers(0, USERS, ROWS),
            "shop": rng.choice(["good", "bad"], ROWS),
            "strong": rng.normal(size=ROWS),
            "weak": rng.normal(size=ROWS),
            "noise": rng.normal(size=ROWS),
        }
    )
    chance = predict(made.select("strong", "weak").to_numpy())
    chance = np.where(made["shop"].to_numpy() == "bad", 0.5, chance)  # there the model knows nothing
    return made.with_columns(bought=pl.Series((rng.random(ROWS) < chance).astype(np.float64)))


def trial(rows: pl.DataFrame) -> Evaluation:
    features = ("strong", "weak", "noise")
    predicted = predict(rows.select(features).to_numpy())
    read = LabelledRows(rows.lazy())
    return Evaluation(BINARY, "bought", ("user", "shop"), features, read, read, predicted, None, 0, predict=predict)


def test_importance_finds_what_the_model_relies_on() -> None:
    found = importances(trial(frame(0)))
    assert [one.feature for one in found] == ["strong", "weak", "noise"]
    assert found[0].loss > 10 * found[1].loss > 0
    assert found[2].loss == 0.0
    assert importances(trial(frame(0))) == found


def test_each_part_has_its_metrics_and_most_intervals_hold_those_of_other_rows() -> None:
    held = 0
    whole = {
        one.metric: one.value
        for one in part_scores(trial(frame(0)), [("all", LabelledRows(pl.concat(map(frame, range(50))).lazy()))])
    }
    for seed in range(100, 120):
        for one in part_scores(trial(frame(0)), [("test", LabelledRows(frame(seed).lazy()))]):
            assert (one.part, one.rows) == ("test", ROWS)
            assert one.low < one.value < one.high
            held += one.low <= whole[one.metric] <= one.high
    assert 52 <= held <= 60  # of 60, with 95 % each


def test_one_group_has_no_interval() -> None:
    value, low, high = interval("mae", np.ones(3), np.zeros(3), np.zeros(3, dtype=np.int64), seed=0)
    assert value == 1.0
    assert np.isnan([low, high]).all()


def test_weak_spots_are_shown_for_columns_of_few_values() -> None:
    found = weak_spots(trial(frame(0)), ["user", "shop", "weak"])
    assert list(found) == ["shop", "weak"]  # two hundred users are no slices
    by = {one.value: one.metric for one in found["shop"]}
    assert by["bad"] == pytest.approx(0.5, abs=0.05)
    assert by["good"] > 0.8
    png = slices_picture("shop", found["shop"], "roc_auc", higher_is_better=True)
    assert png.startswith(b"\x89PNG")
    assert len(importance_picture(importances(trial(frame(0))), "roc_auc")) < 50_000


def test_predictions_that_are_no_numbers_have_no_metric() -> None:
    truth, groups = np.array([0.0, 1.0, 1.0]), np.arange(3)
    assert np.isnan(interval("roc_auc", truth, np.array([0.1, np.nan, 0.9]), groups, seed=0)).all()

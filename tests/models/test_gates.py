"""Metrics against scikit-learn, baselines, and what gates pass and refuse."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

import mlp_assets as mlp
from mlp_assets.metrics.bootstrap import paired_bootstrap
from mlp_assets.metrics.metrics import METRICS, RankedScores
from mlp_assets.models.evaluation.baselines import predict_baseline
from mlp_assets.models.evaluation.gates import judge
from mlp_assets.models.evaluation.judgement import Evaluation
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.nouns.task import BINARY

RNG = np.random.default_rng(0)
ROWS = 3000
USERS = np.repeat(np.arange(100), ROWS // 100)
CHANCE = 1 / (1 + np.exp(-RNG.normal(size=ROWS)))
TRUTH = (RNG.random(ROWS) < CHANCE).astype(float)
FRAME = pl.DataFrame({"user_id": USERS, "x": CHANCE, "y": TRUTH})


def rows_of(frame: pl.DataFrame) -> LabelledRows:
    return LabelledRows(frame.lazy())


def trial(candidate: np.ndarray, champion: np.ndarray | None = None, frame: pl.DataFrame = FRAME) -> Evaluation:
    return Evaluation(BINARY, "y", ("user_id",), ("x",), rows_of(FRAME), rows_of(frame), candidate, champion, seed=0)


def passed(gate: object, candidate: np.ndarray, champion: np.ndarray | None = None) -> bool:
    return judge(trial(candidate, champion), (gate,)).passed  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 3)), min_size=2, max_size=30))
def test_the_roc_auc_is_scikit_learns_with_ties_and_weights(rows: list[tuple[bool, int, int]]) -> None:
    truth = np.array([float(label) for label, _, _ in rows])
    score, weight = np.array([s / 5 for _, s, _ in rows]), np.array([float(w) for _, _, w in rows])
    found = RankedScores(truth, score).auc(weight)
    if len(set(truth)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(sk.roc_auc_score(truth, score, sample_weight=weight))


def test_the_other_metrics_are_scikit_learns() -> None:
    assert METRICS["log_loss"].compute(TRUTH, CHANCE) == pytest.approx(sk.log_loss(TRUTH, CHANCE))
    assert METRICS["brier"].compute(TRUTH, CHANCE) == pytest.approx(sk.brier_score_loss(TRUTH, CHANCE))
    assert METRICS["mae"].compute(TRUTH, CHANCE) == pytest.approx(sk.mean_absolute_error(TRUTH, CHANCE))
    assert METRICS["rmse"].compute(TRUTH, CHANCE) == pytest.approx(np.sqrt(sk.mean_squared_error(TRUTH, CHANCE)))


def test_the_bootstrap_is_sure_of_a_better_model_and_not_of_itself() -> None:
    noise = RNG.random(ROWS)
    for metric in ("roc_auc", "log_loss"):
        assert paired_bootstrap(metric, TRUTH, CHANCE, noise, USERS, seed=1).sure
        assert not paired_bootstrap(metric, TRUTH, noise, CHANCE, USERS, seed=1).sure
        assert not paired_bootstrap(metric, TRUTH, CHANCE, CHANCE, USERS, seed=1).sure
    assert not paired_bootstrap("roc_auc", TRUTH, CHANCE, noise, USERS * 0, seed=1).sure


def test_thresholds() -> None:
    assert passed(mlp.AtLeast("roc_auc", 0.6), CHANCE)
    assert not passed(mlp.AtLeast("roc_auc", 0.99), CHANCE)
    assert passed(mlp.AtMost("log_loss", 0.7), CHANCE)
    assert not passed(mlp.AtMost("log_loss", 0.1), CHANCE)


def test_no_worse_than_the_champion() -> None:
    gate = mlp.NoWorseThan("champion", margin=0.001)
    assert passed(gate, CHANCE)
    assert passed(gate, CHANCE, CHANCE)
    assert passed(gate, CHANCE, np.full(ROWS, 0.5))
    assert not passed(gate, np.full(ROWS, 0.5), CHANCE)


def test_better_than_a_baseline() -> None:
    assert passed(mlp.BetterThan("base_rate"), CHANCE)
    assert not passed(mlp.BetterThan("base_rate"), np.full(ROWS, 0.5))
    assert not passed(mlp.BetterThan("column:x"), CHANCE)


@pytest.mark.parametrize("broken", [np.full(ROWS, np.nan), np.full(ROWS, np.inf)])
def test_nothing_passes_on_a_prediction_that_is_not_finite(broken: np.ndarray) -> None:
    judgement = judge(trial(broken), (mlp.AtLeast("roc_auc", 0.0), mlp.NoWorseThan("champion")))
    assert not any(result.passed for result in judgement.results)
    assert "not finite" in judgement.results[0].sentence


def test_nothing_passes_on_no_rows_or_one_class() -> None:
    for frame in (FRAME.head(0), FRAME.filter(pl.col("y") == 1)):
        found = judge(trial(np.full(frame.height, 0.5), None, frame), (mlp.NoWorseThan("champion"),))
        assert not found.passed


def test_baselines_are_fitted_on_the_training_rows_alone() -> None:
    fit = pl.DataFrame({"user_id": [1, 1, 1, 1, 2, 2], "x": [1.0, None, 3.0, 4.0, 5.0, 6.0], "y": [1.0, 1, 1, 0, 0, 0]})
    rows = pl.DataFrame({"user_id": [1, 2, 3], "x": [None, 2.0, 9.0], "y": [0.0, 1.0, 1.0]})

    def predicted(name: str) -> list[float]:
        found = predict_baseline(name, rows_of(fit), rows_of(rows), target="y", keys=("user_id",), features=("x",))
        return found.values.tolist()

    assert predicted("base_rate") == pytest.approx([2 / 3, 0.25, 0.5])
    assert predicted("mean") == [0.5, 0.5, 0.5]
    assert predicted("column:x") == pytest.approx([3.8, 2.0, 9.0])
    assert all(0 < value < 1 for value in predicted("logistic_regression"))

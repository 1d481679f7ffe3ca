"""Multiclass models: metrics against scikit-learn's, intervals, gates, baselines, and models of different classes."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

import mlp_assets as mlp
from mlp_assets.metrics.bootstrap import interval
from mlp_assets.metrics.calibration import calibration_error, confidence_error
from mlp_assets.metrics.classes import Classes, classes_of, finite
from mlp_assets.metrics.metrics import METRICS, scores
from mlp_assets.models.evaluation.baselines import predict_baseline
from mlp_assets.models.evaluation.gates import judge
from mlp_assets.models.evaluation.judgement import Evaluation
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.pictures import performance_picture
from mlp_assets.nouns.task import MULTICLASS

KINDS = ("beer", "milk", "rolls", "soap")


def drawn(seed: int, rows: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    odds = rng.exponential(size=(rows, classes)) ** 3 + 1e-9
    return rng.integers(0, classes, rows).astype(np.float64), odds / odds.sum(axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 60), classes=st.integers(2, 6))
def test_metrics_equal_those_of_scikit_learn(seed: int, rows: int, classes: int) -> None:
    truth, prediction = drawn(seed, rows, classes)
    found, guess = scores(MULTICLASS, truth, prediction), prediction.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(truth, guess))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(truth, guess, average="macro"))
    assert found["log_loss"] == pytest.approx(oracle.log_loss(truth, prediction, labels=range(classes)))
    weights = np.random.default_rng(seed).integers(0, 3, rows).astype(np.float64)
    if weights.sum():
        prepared = METRICS["macro_f1"].prepared
        assert prepared is not None
        labels = _classes_with_weight(truth, guess, weights)
        wanted = oracle.f1_score(truth, guess, average="macro", sample_weight=weights, labels=labels)
        assert prepared(truth, prediction)(weights) == pytest.approx(wanted)


def _classes_with_weight(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray) -> list[float]:
    """The true and predicted classes of rows with weight: a resample has no others."""
    kept = weights > 0
    return sorted({*truth[kept].tolist(), *guess[kept].astype(np.float64).tolist()})


def test_a_class_that_the_model_does_not_know_counts_as_wrong() -> None:
    prediction = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    known = scores(MULTICLASS, np.array([0.0, 1.0, 0.0]), prediction)
    for unknown in (-1.0, 2.0):
        found = scores(MULTICLASS, np.array([0.0, 1.0, unknown]), prediction)
        assert known["accuracy"] == 1
        assert found["accuracy"] == pytest.approx(2 / 3)
        assert found["log_loss"] == pytest.approx((-np.log(0.9) - np.log(0.8) - np.log(1e-15)) / 3)


def test_intervals_contain_the_value_and_shrink_with_the_rows() -> None:
    widths = []
    for rows in (100, 1600):
        truth, prediction = drawn(1, rows)
        prediction[:, 0] += 2 * (truth == 0)  # better than chance
        prediction /= prediction.sum(axis=1, keepdims=True)
        for name in ("accuracy", "log_loss", "macro_f1"):
            value, low, high = interval(name, truth, prediction, np.arange(rows), seed=3)
            assert low < value < high, name
            widths.append(high - low)
    assert all(wide > 2 * narrow for wide, narrow in zip(widths[:3], widths[3:], strict=True))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.none() | st.sampled_from(["a", "b", "ä", ""]), min_size=1))
def test_class_names_survive_a_round_trip_through_class_numbers(values: list[str | None]) -> None:
    column = pl.Series("kind", values, dtype=pl.String)
    classes = classes_of(column)
    assert list(classes.values) == sorted({value for value in values if value is not None})
    numbers = classes.truth(column)
    assert [classes.values[int(n)] if n >= 0 else None for n in numbers] == values
    if len(classes):
        sure = np.eye(len(classes))
        assert classes.answers(sure) == {"prediction": list(classes.values), "probability": [1.0] * len(classes)}


def test_whole_numbers_are_classes_and_fractions_are_not() -> None:
    assert classes_of(pl.Series("kind", [3.0, 1.0, 3.0])).values == (1, 3)
    assert classes_of(pl.Series("kind", [3, 1, None])).truth(pl.Series([3.0, 2.0])).tolist() == [1.0, -1.0]
    with pytest.raises(mlp.MlpError, match=r"kind holds 1.5.*pl.String"):
        classes_of(pl.Series("kind", [1.0, 1.5]))


def test_whole_numbers_that_a_float_does_not_hold_are_refused_as_classes() -> None:
    """1755555555555555001 became 1755555555555555072, as its neighbour did."""
    own = [1755555555555555001, 1755555555555555002]
    assert classes_of(pl.Series("kind", own)).values == tuple(own)
    as_stored = pl.Series("kind", own).cast(pl.Float64)
    with pytest.raises(mlp.MlpError, match=r"kind holds 1755555555555555072, and .* not told apart.*as pl.String"):
        classes_of(as_stored)
    with pytest.raises(mlp.MlpError, match="kind holds"):
        classes_of(pl.Series("kind", [1.0, -float(2**53)]))
    assert classes_of(pl.Series("kind", [1.0, float(2**53 - 1)])).values == (1, 2**53 - 1)


def test_predictions_are_reordered_to_the_classes_of_both_models() -> None:
    old, new = Classes(("beer", "milk")), Classes(("milk", "soap"))
    both = new.union(old)
    assert both.values == ("milk", "soap", "beer")
    reordered = old.reordered_to(np.array([[0.3, 0.7]]), both)
    assert reordered.tolist() == [[0.7, 0.0, 0.3]]
    assert old.reordered_to(reordered, old) is reordered  # nothing to do


def test_multiclass_calibration_is_that_of_the_likeliest_class() -> None:
    truth, prediction = drawn(5, 400)
    right = (prediction.argmax(axis=1) == truth).astype(np.float64)
    assert confidence_error(truth, prediction) == calibration_error(right, prediction.max(axis=1))
    assert confidence_error(np.arange(4.0), np.eye(4)) == 0


def trial(candidate: np.ndarray, champion: np.ndarray | None, rows: pl.DataFrame) -> Evaluation:
    fit, judged = (LabelledRows(frame.lazy()) for frame in (rows.head(200), rows))
    return Evaluation(MULTICLASS, "kind", ("text",), (), fit, judged, candidate, champion, 0, classes=Classes(KINDS))


def products(rows: int = 400) -> pl.DataFrame:
    """Texts of which one word, not always, tells the kind."""
    rng = np.random.default_rng(2)
    kinds = rng.choice(KINDS, rows)
    words = np.where(rng.random(rows) < 0.7, kinds, rng.choice(KINDS, rows))
    texts = [f"{word} brand{number % 7} {number} oz" for number, word in enumerate(words)]
    return pl.DataFrame({"text": texts, "kind": kinds})


def test_gates_on_classes() -> None:
    rows = products()
    truth = Classes(KINDS).truth(rows["kind"])
    good = np.full((rows.height, 4), 0.05)
    good[np.arange(rows.height), truth.astype(int)] = 0.85
    gates = (
        mlp.BetterThan("tfidf"), mlp.BetterThan("base_rate"), mlp.AtLeast("accuracy", 0.9), mlp.AtMost("log_loss", 0.5),
        mlp.NoWorseThan("champion"), mlp.Calibrated(0.2), mlp.OnEverySlice("accuracy", 0.9, by="kind", min_rows=50),
    )  # fmt: skip
    found = judge(trial(good, good, rows), gates)
    assert found.passed, [one.sentence for one in found.results]
    rival = found.metrics["tfidf"]["accuracy"]
    assert 0.65 < rival < 0.95  # it has learnt the word
    poor = np.roll(good, 1, axis=1)
    refused = {one.name for one in judge(trial(poor, good, rows), gates).results if not one.passed}
    assert refused == {gate.name for gate in gates}
    broken = good.copy()
    broken[3, 2] = np.nan
    assert finite(broken).sum() == rows.height - 1
    assert "1 of 400 predictions are not finite" in judge(trial(broken, None, rows), gates).results[0].sentence


def test_the_baseline_of_texts_knows_a_binary_model_too() -> None:
    rows = products().with_columns(y=(pl.col("kind") == "beer").cast(pl.Float64))
    read = LabelledRows(rows.lazy())
    found = predict_baseline("tfidf", read, read, target="y", keys=("text",), features=()).values
    assert found.shape == (rows.height,)
    assert METRICS["roc_auc"].compute(rows["y"].to_numpy(), found) > 0.9


def test_a_picture_of_classes_with_one_that_is_unknown() -> None:
    truth, prediction = drawn(7, 50)
    truth[:5] = -1
    assert performance_picture(MULTICLASS, truth, prediction, KINDS)[:4] == b"\x89PNG"
    assert performance_picture(MULTICLASS, np.arange(4.0), np.eye(4), KINDS)[:4] == b"\x89PNG"  # no mistakes

"""Models that would be served wrongly without a sign of it: refused at export, with what to write instead."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import impute, linear_model, pipeline, preprocessing

from mlp_assets.training.export import ExportError, export
from tests.support.exported import CLASS, FEATURES, KIND, X, Y, answers, run_of

CODES = np.random.default_rng(3).integers(1, 5, len(X))
CODED = np.column_stack([X[:, :2], CODES]).astype(np.float32)
FRAME = pd.DataFrame(X, columns=pd.Index(FEATURES))
SHADES = FRAME.assign(c=pd.Categorical(np.array(["red", "green", "blue", "black"])[CODES - 1]))
NUMBERED = FRAME.assign(c=pd.Categorical(CODES.astype(float)))
SETTINGS: dict[str, Any] = {"n_estimators": 5, "random_state": 0}
LIGHT = SETTINGS | {"verbose": -1}


def pull_to(truth: Any, raw: Any) -> Any:
    """Gradient and hessian of an objective of one's own."""
    return raw - truth, np.ones_like(raw)


def own_light(task: str) -> Any:
    settings = {"objective": lambda raw, rows: pull_to(rows.get_label(), raw), "verbose": -1}
    return lightgbm.train(settings, lightgbm.Dataset(X, CLASS if task == "binary" else Y), 5)


def own_boosted() -> Any:
    return xgboost.train({}, xgboost.DMatrix(X, CLASS), 5, obj=lambda raw, rows: pull_to(rows.get_label(), raw))


CATEGORIES = "numbers that requests are encoded to"
SCORES = "answers are not probabilities, and the model's task is 'binary'. Train with objective="


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lightgbm.LGBMClassifier(**LIGHT).fit(SHADES, CLASS), f"LGBMClassifier .*black, blue.*{CATEGORIES}"),
        (lightgbm.LGBMClassifier(**LIGHT).fit(NUMBERED, CLASS), f"{CATEGORIES}.*categorical_feature="),
        (xgboost.XGBClassifier(enable_categorical=True, **SETTINGS).fit(SHADES, CLASS), f"{CATEGORIES}.*feature_types"),
        (xgboost.XGBClassifier(enable_categorical=True, **SETTINGS).fit(NUMBERED, CLASS), r"named columns \(c\)"),
        (xgboost.XGBClassifier(objective="binary:logitraw", **SETTINGS).fit(X, CLASS), f"'binary:logitraw'.*{SCORES}"),
        (xgboost.XGBRegressor(**SETTINGS).fit(X, CLASS), f"'reg:squarederror'.*{SCORES}'binary:logistic'"),
        (own_boosted(), SCORES),
        (own_light("binary"), f"an objective of its own, whose {SCORES}'binary'"),
        (lightgbm.LGBMRegressor(**LIGHT).fit(X, CLASS), f"the objective 'regression', whose {SCORES}"),
        (xgboost.XGBClassifier(missing=-1.0, **SETTINGS).fit(X, CLASS), "takes -1 as missing.*leave missing out"),
        (lightgbm.LGBMClassifier(**LIGHT).fit(FRAME[["b", "a", "c"]], CLASS), "with the columns b, a, c, and it is"),
        (xgboost.XGBClassifier(**SETTINGS).fit(FRAME[["c", "b", "a"]], CLASS), "served with a, b, c, by their order"),
        (linear_model.LogisticRegression().fit(FRAME[["b", "c", "a"]], CLASS), "Fit it on run.train.x, or on a frame"),
    ],
)
def test_what_would_be_served_wrongly_is_refused(tmp_path: Path, model: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export(run_of(tmp_path, "binary"), model, tmp_path / "artifact")


def test_raw_scores_of_classes_are_refused(tmp_path: Path) -> None:
    settings = {"objective": "multi:softmax", "num_class": 3}
    model = xgboost.train(settings, xgboost.DMatrix(X, KIND), 5)
    with pytest.raises(ExportError, match="'multi:softmax'.*Train with objective='multi:softprob'"):
        answers(tmp_path, model, "multiclass")


def test_an_objective_of_ones_own_is_served_for_numbers(tmp_path: Path) -> None:
    booster = own_light("regression")
    assert answers(tmp_path, booster, "regression") == pytest.approx(booster.predict(X), abs=1e-6)


def test_frames_in_the_order_of_the_features_are_served(tmp_path: Path) -> None:
    models = [
        lightgbm.LGBMClassifier(**LIGHT).fit(FRAME, CLASS),
        xgboost.XGBClassifier(**SETTINGS).fit(FRAME, CLASS),
        linear_model.LogisticRegression().fit(FRAME, CLASS),
    ]
    for number, model in enumerate(models):
        (tmp_path / str(number)).mkdir()
        own = model.predict_proba(FRAME)[:, 1]
        assert answers(tmp_path / str(number), model, "binary") == pytest.approx(own, abs=1e-5)


def test_categories_by_their_numbers_are_served_as_trained(tmp_path: Path) -> None:
    """What the messages above say to write."""
    light = lightgbm.LGBMClassifier(**LIGHT).fit(CODED, CLASS, categorical_feature=[2])
    types = ["q", "q", "c"]
    boosted = xgboost.XGBClassifier(enable_categorical=True, feature_types=types, **SETTINGS).fit(CODED, CLASS)
    assert "c" in boosted.get_booster().feature_types
    for number, model in enumerate((light, boosted)):
        (tmp_path / str(number)).mkdir()
        served = answers(tmp_path / str(number), model, "binary", CODED)
        assert served == pytest.approx(model.predict_proba(CODED)[:, 1], abs=1e-6)


@pytest.mark.parametrize(
    "step", [impute.KNNImputer(), preprocessing.PowerTransformer(), preprocessing.QuantileTransformer(n_quantiles=9)]
)
def test_steps_that_cannot_be_converted_are_refused(tmp_path: Path, step: Any) -> None:
    model = pipeline.make_pipeline(step, linear_model.LogisticRegression()).fit(X, CLASS)
    with pytest.raises(ExportError, match=f"holds a {type(step).__name__}, whose .*StandardScaler in its place"):
        export(run_of(tmp_path, "binary"), model, tmp_path / "artifact")


class Scores:
    """Gives a raw score: a model of no framework."""

    def save(self, folder: Path) -> None:
        (folder / "empty.json").write_text("{}")

    @classmethod
    def load(cls, folder: Path) -> "Scores":
        return cls()

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return matrix[:, 0] * 0.001 + 0.5


def test_raw_scores_that_look_like_probabilities_on_the_validation_rows_are_found(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="rows with numbers a thousand times as large, and a binary model predicts"):
        export(run_of(tmp_path, "binary"), Scores(), tmp_path / "artifact")

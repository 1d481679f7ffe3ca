"""A model that takes missing values is served so; one that refuses them is served as one that refuses them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, impute, linear_model, multiclass, naive_bayes, neighbors, pipeline, preprocessing, tree
from sklearn.calibration import CalibratedClassifierCV

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.training.export import ExportError, export
from mlp_assets.training.frameworks import sklearn_trees
from tests.support.exported import CLASS, GAPS, KIND, X, Y, answers, run_of

FOREST = ensemble.RandomForestClassifier(20, max_depth=5, random_state=0)
TREE = tree.DecisionTreeClassifier(max_depth=4, random_state=0)
TAKING = [
    TREE,
    tree.ExtraTreeClassifier(max_depth=4, random_state=0),
    FOREST,
    ensemble.ExtraTreesClassifier(20, max_depth=5, random_state=0),
    ensemble.BaggingClassifier(TREE, max_features=0.7, random_state=0),
    ensemble.BaggingClassifier(FOREST, 3, random_state=0),
    ensemble.HistGradientBoostingClassifier(max_iter=10),
    pipeline.make_pipeline(preprocessing.StandardScaler(), FOREST),
    ensemble.StackingClassifier([("tree", TREE), ("forest", FOREST)], linear_model.LogisticRegression(), cv=2),
    ensemble.VotingClassifier([("tree", TREE), ("forest", FOREST)], voting="soft", flatten_transform=False),
    CalibratedClassifierCV(FOREST, cv=2),
    multiclass.OneVsRestClassifier(FOREST),
]
REFUSING = [
    ensemble.GradientBoostingClassifier(n_estimators=10),
    ensemble.AdaBoostClassifier(n_estimators=5),
    neighbors.KNeighborsClassifier(5),
    naive_bayes.GaussianNB(),
    linear_model.LogisticRegression(),
]


@pytest.mark.parametrize("rows", [X, GAPS], ids=["whole", "gaps"])
@pytest.mark.parametrize("model", TAKING, ids=lambda model: "".join(str(model).split())[:40])
def test_trees_send_missing_values_as_fitted(tmp_path: Path, model: Any, rows: np.ndarray) -> None:
    """Whether or not the training and the validation rows have any."""
    fitted = model.fit(rows, CLASS)
    answers(tmp_path, fitted, "binary", rows)
    served = load_scorer(tmp_path / "artifact").predict(GAPS.astype(np.float64))
    assert served == pytest.approx(fitted.predict_proba(GAPS)[:, 1], abs=1e-4)


@pytest.mark.parametrize("model", [tree.DecisionTreeRegressor(max_depth=5), ensemble.ExtraTreesRegressor(9)])
def test_trees_of_regressors_and_of_classes_too(tmp_path: Path, model: Any) -> None:
    (tmp_path / "kinds").mkdir()
    answers(tmp_path, fitted := model.fit(X, Y), "regression")
    served = load_scorer(tmp_path / "artifact").predict(GAPS.astype(np.float64))
    assert served == pytest.approx(fitted.predict(GAPS), abs=1e-3)
    answers(tmp_path / "kinds", kinds := FOREST.fit(GAPS, KIND), "multiclass", GAPS)
    served = load_scorer(tmp_path / "kinds" / "artifact").predict(GAPS.astype(np.float64))
    assert served == pytest.approx(kinds.predict_proba(GAPS), abs=1e-4)


@pytest.mark.parametrize("model", REFUSING, ids=lambda model: type(model).__name__)
def test_a_model_that_takes_no_missing_values_gives_no_prediction_for_them(tmp_path: Path, model: Any) -> None:
    """The ONNX form of some gives a number all the same."""
    fitted = model.fit(X, CLASS)
    answers(tmp_path, fitted, "binary")
    manifest = json.loads((tmp_path / "artifact" / "model.json").read_text())
    assert manifest["refuses"]["missing"] == ["a", "b", "c"]
    served, whole = load_scorer(tmp_path / "artifact").predict(GAPS.astype(np.float64)), ~np.isnan(GAPS).any(axis=1)
    assert np.isnan(served[~whole]).all()
    assert served[whole] == pytest.approx(fitted.predict_proba(GAPS[whole])[:, 1], abs=1e-4)


def test_only_the_columns_that_must_be_there_are_refused(tmp_path: Path) -> None:
    filled = pipeline.make_pipeline(impute.SimpleImputer(), linear_model.LogisticRegression()).fit(GAPS, CLASS)
    answers(tmp_path, filled, "binary", GAPS)
    assert load_scorer(tmp_path / "artifact").facts.refusals.missing == ()


@pytest.mark.parametrize("model", [TREE, linear_model.LogisticRegression(), ensemble.HistGradientBoostingClassifier()])
def test_infinities_are_answered_as_the_model_does_or_refused(tmp_path: Path, model: Any) -> None:
    fitted = model.fit(X, CLASS)
    answers(tmp_path, fitted, "binary")
    rows: np.ndarray = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.inf, X.astype(np.float64))
    rows[0] = [1e39, 0.0, 0.0]  # infinite as a float32
    served, odd = load_scorer(tmp_path / "artifact").predict(rows), (np.abs(rows) > 1e38).any(axis=1)
    if isinstance(model, ensemble.HistGradientBoostingClassifier):
        assert served == pytest.approx(fitted.predict_proba(rows)[:, 1], abs=1e-4)
    else:
        assert np.isnan(served[odd]).all()
        assert np.isfinite(served[~odd]).all()


def test_an_exporter_that_loses_the_branch_of_missing_values_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sklearn_trees, "_trees", lambda *_: iter(()))
    with pytest.raises(ExportError, match=r"by up to [01]\..* on rows with missing values: .*Put an imputer first"):
        export(run_of(tmp_path, "binary"), FOREST.fit(X, CLASS), tmp_path / "artifact")


def test_validation_rows_that_the_model_does_not_take_are_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot predict the validation rows: Input X contains NaN.*put an imputer"):
        export(run_of(tmp_path, "binary", GAPS), linear_model.LogisticRegression().fit(X, CLASS), tmp_path / "artifact")

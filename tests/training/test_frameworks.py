"""Models that ``train`` may return are stored without code and predict the same when loaded; others are refused."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import (
    ensemble,
    impute,
    isotonic,
    kernel_ridge,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV

from mlp_assets.artifact.manifest import ArtifactError, load_scorer, write_manifest
from mlp_assets.training.export import ExportError, export
from tests.support.exported import CLASS, DRAW, FEATURES, GAPS, Nearest, X, Y, answers, near, run_of


def piped(*steps: Any) -> Any:
    return pipeline.make_pipeline(*steps)


CLASSIFIERS = [
    linear_model.LogisticRegression(),
    piped(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    piped(preprocessing.PolynomialFeatures(2), linear_model.LogisticRegression(max_iter=1000)),
    piped(
        ColumnTransformer([("scaled", preprocessing.StandardScaler(), [0, 1])], remainder="passthrough"),
        linear_model.LogisticRegression(),
    ),
    tree.DecisionTreeClassifier(max_depth=4),
    ensemble.RandomForestClassifier(20, max_depth=5),
    ensemble.ExtraTreesClassifier(20, max_depth=5),
    ensemble.GradientBoostingClassifier(n_estimators=10),
    ensemble.HistGradientBoostingClassifier(max_iter=10),
    ensemble.AdaBoostClassifier(n_estimators=5),
    CalibratedClassifierCV(svm.LinearSVC()),
    naive_bayes.GaussianNB(),
    neighbors.KNeighborsClassifier(5),
    neural_network.MLPClassifier((8,), max_iter=50, early_stopping=True),
    GridSearchCV(linear_model.LogisticRegression(), {"C": [0.1, 1.0]}),
]
REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    linear_model.HuberRegressor(),
    piped(preprocessing.RobustScaler(), linear_model.ElasticNet(0.01)),
    tree.DecisionTreeRegressor(max_depth=4),
    ensemble.RandomForestRegressor(20, max_depth=5),
    ensemble.GradientBoostingRegressor(n_estimators=10),
    ensemble.HistGradientBoostingRegressor(max_iter=10),
    svm.SVR(),
    neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, early_stopping=True),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: str(model).partition("(")[0])
def test_classifiers_of_scikit_learn_give_probabilities(tmp_path: Path, model: Any) -> None:
    fitted = model.fit(X, CLASS)
    assert answers(tmp_path, fitted, "binary") == pytest.approx(fitted.predict_proba(X)[:, 1], abs=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: str(model).partition("(")[0])
def test_regressors_of_scikit_learn(tmp_path: Path, model: Any) -> None:
    fitted = model.fit(X, Y)
    assert answers(tmp_path, fitted, "regression") == pytest.approx(fitted.predict(X), abs=1e-3)


@pytest.mark.parametrize(
    "model",
    [
        ensemble.HistGradientBoostingClassifier(max_iter=10),
        piped(impute.SimpleImputer(), linear_model.LogisticRegression()),
        piped(impute.SimpleImputer(strategy="median"), linear_model.LogisticRegression()),
    ],
)
def test_missing_values_stay_missing(tmp_path: Path, model: Any) -> None:
    fitted = model.fit(GAPS, CLASS)
    assert answers(tmp_path, fitted, "binary", GAPS) == pytest.approx(fitted.predict_proba(GAPS)[:, 1], abs=1e-5)


def test_lightgbm_and_xgboost_with_gaps_and_early_stopping(tmp_path: Path) -> None:
    import xgboost

    settings = {"n_estimators": 200, "learning_rate": 0.5, "random_state": 0}
    light = lightgbm.LGBMClassifier(**settings, verbose=-1, min_child_samples=5)
    rows, checked = (GAPS[:200], CLASS[:200]), [(GAPS[200:], CLASS[200:])]
    light.fit(*rows, eval_set=checked, callbacks=[lightgbm.early_stopping(5, verbose=False)])
    boosted = xgboost.XGBClassifier(**settings, early_stopping_rounds=5, n_jobs=1)
    boosted.fit(*rows, eval_set=checked, verbose=False)
    assert 0 < boosted.best_iteration < 150
    plain = xgboost.XGBRegressor(n_estimators=10).fit(GAPS, Y)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(GAPS, CLASS), 10)
    for number, (model, task, own) in enumerate(
        [
            (light, "binary", light.predict_proba(GAPS)[:, 1]),
            (boosted, "binary", boosted.predict_proba(GAPS)[:, 1]),
            (plain, "regression", plain.predict(GAPS)),
            (booster, "binary", booster.predict(xgboost.DMatrix(GAPS))),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        assert answers(tmp_path / str(number), model, task, GAPS) == pytest.approx(own, abs=1e-6)


class Smuggler(Nearest):
    """Writes another file beside its own."""

    name, data = "model.bin", b""

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / self.name).write_bytes(self.data)


class Wide(Nearest):
    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return matrix


def test_a_model_of_the_users_own_class(tmp_path: Path) -> None:
    assert answers(tmp_path, near(), "regression").tolist() == near().predict(X).tolist()
    manifest = json.loads((tmp_path / "artifact" / "model.json").read_text())
    assert (manifest["format"], manifest["loader"]) == ("own", f"{Nearest.__module__}:Nearest")
    (tmp_path / "moved").mkdir()
    near().save(tmp_path / "moved")
    write_manifest(
        tmp_path / "moved", format="own", file="points.npy", features=FEATURES, task="binary", loader="no.such:Class"
    )
    with pytest.raises(ArtifactError, match="'no.such:Class' cannot be imported"):
        load_scorer(tmp_path / "moved")


def _zip(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, data)
    return stream.getvalue()


def _objects() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("model.pkl", b"{}", "is a pickle by its name"),
        *((f"protocol-{n}", pickle.dumps({"a": 1}, protocol=n), "is a pickle") for n in (2, 3, 4, 5)),
        ("array.npy", _objects(), "is an array of Python objects"),
        ("arrays.npz", _zip("a.npy", _objects()), "contains an array of Python objects"),
        ("weights.pt", _zip("archive/data.pkl", pickle.dumps({})), "contains a pickle"),
        ("weights.bin", _zip("innocent", pickle.dumps({})), "contains a pickle"),
    ],
)
def test_pickles_are_refused_when_storing_and_when_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, reason: str
) -> None:
    monkeypatch.setattr(Smuggler, "name", name)
    monkeypatch.setattr(Smuggler, "data", data)
    with pytest.raises(ArtifactError, match=reason):
        export(run_of(tmp_path, "regression"), near(Smuggler), tmp_path / "artifact")
    with pytest.raises(ArtifactError, match=reason):
        load_scorer(tmp_path / "artifact")


def test_a_converter_that_drops_a_step_is_found(tmp_path: Path) -> None:
    """skl2onnx silently converts an imputer without its indicator of missing values."""
    model = piped(impute.SimpleImputer(add_indicator=True), linear_model.LogisticRegression()).fit(GAPS, CLASS)
    with pytest.raises(ExportError, match="exporter does not support a step"):
        export(run_of(tmp_path, "binary", GAPS), model, tmp_path / "artifact")


def local_class() -> Any:
    class Hidden(Nearest):
        pass

    return near(Hidden)


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        (None, "binary", "train returned nothing, which cannot be served"),
        (
            {"weight": 1.0},
            "binary",
            "train returned a builtins.dict, which cannot be served without unpickling. Return a",
        ),
        ((1, 2), "binary", "train returned a builtins.tuple"),
        (linear_model.LogisticRegression, "binary", "train returned the class LogisticRegression"),
        (linear_model.LogisticRegression(), "binary", "LogisticRegression that is not fitted. Return what fit"),
        (lightgbm.LGBMClassifier(), "binary", "train returned a lightgbm.sklearn.LGBMClassifier that is not fitted"),
        (svm.LinearSVC().fit(X, CLASS), "binary", "gives no probabilities, and the model's task is 'binary'. Return a"),
        (linear_model.LogisticRegression().fit(X, DRAW.integers(0, 3, 400)), "binary", "knows 3 classes"),
        (isotonic.IsotonicRegression().fit(X[:, 0], Y), "regression", "cannot convert it .Unable"),
        (kernel_ridge.KernelRidge(kernel="laplacian").fit(X, Y), "regression", "skl2onnx cannot convert it"),
        (near(Wide), "regression", "predicts shape .400, 3. for 400 rows"),
        (local_class(), "regression", "cannot be imported by its name, so no server could load"),
    ],
)
def test_a_model_that_cannot_be_served_is_refused(tmp_path: Path, model: Any, task: str, message: str) -> None:
    with pytest.raises((ExportError, ArtifactError), match=message):
        export(run_of(tmp_path, task), model, tmp_path / "artifact")


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 6), gaps=st.booleans())
def test_trees_predict_the_same_on_any_data(
    tmp_path_factory: pytest.TempPathFactory, seed: int, depth: int, gaps: bool
) -> None:
    """The rows have few distinct values, so that some lie on a threshold."""
    draw = np.random.default_rng(seed)
    x = np.round(draw.normal(size=(200, 3)), 1).astype(np.float32)
    x = np.where(draw.random(x.shape) < 0.2, np.nan, x).astype(np.float32) if gaps else x
    y = (np.nan_to_num(x).sum(axis=1) > 0).astype(int)
    model = ensemble.HistGradientBoostingClassifier(max_iter=5, max_depth=depth, min_samples_leaf=5).fit(x, y)
    run = run_of(tmp_path_factory.mktemp("tree"), "binary")
    digest = export(run, model, run.folder / "artifact")
    served = load_scorer(run.folder / "artifact", digest).predict(x.astype(np.float64))
    assert served == pytest.approx(model.predict_proba(x)[:, 1], abs=1e-5)

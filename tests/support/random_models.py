"""Random fitted models of each framework, with the predictions of each by its own library."""

import contextlib
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import xgboost
from sklearn import (
    calibration,
    compose,
    ensemble,
    feature_selection,
    impute,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

from tests.support.random_data import RandomData

Fitted = tuple[Any, Callable[[np.ndarray], np.ndarray]]


def fitted_sklearn(data: RandomData) -> Fitted:
    """A random estimator that takes the rows, often in a pipeline or as a part of another."""
    x, y = data.training()
    draw = np.random.default_rng((data.seed, 5))
    model = _fitted_estimator(draw, data.task != "regression", x, y)
    return model, lambda rows: _sklearn_answer(model, rows, data.task)


def _fitted_estimator(draw: np.random.Generator, classifies: bool, x: np.ndarray, y: np.ndarray) -> Any:
    while True:
        model = _estimator(draw, classifies)
        with contextlib.suppress(ValueError):  # many take no missing values
            return model.fit(x, y)


def _sklearn_answer(model: Any, rows: np.ndarray, task: str) -> np.ndarray:
    if task == "regression":
        return model.predict(rows)
    return model.predict_proba(rows) if task == "multiclass" else model.predict_proba(rows)[:, 1]


def _estimator(draw: np.random.Generator, classifies: bool) -> Any:
    kinds = _CLASSIFIERS if classifies else _REGRESSORS
    inner = kinds[draw.integers(len(kinds))](draw)
    wrapped = draw.random()
    if wrapped < 0.15 and classifies:
        return calibration.CalibratedClassifierCV(inner, cv=2, method=str(draw.choice(["sigmoid", "isotonic"])))
    if wrapped < 0.3:
        second = kinds[draw.integers(len(kinds))](draw)
        return _together(draw, [("one", inner), ("two", second)], classifies)
    if wrapped < 0.4:
        bagging = ensemble.BaggingClassifier if classifies else ensemble.BaggingRegressor
        return bagging(inner, n_estimators=3, max_features=float(draw.choice([0.7, 1.0])), random_state=0)
    return pipeline.make_pipeline(*_steps(draw), inner)


def _together(draw: np.random.Generator, models: Any, classifies: bool) -> Any:
    if draw.random() < 0.5:
        if classifies:
            return ensemble.VotingClassifier(models, voting="soft", flatten_transform=False)
        return ensemble.VotingRegressor(models)
    if classifies:
        return ensemble.StackingClassifier(models, linear_model.LogisticRegression(), cv=2)
    return ensemble.StackingRegressor(models, linear_model.Ridge(), cv=2)


def _steps(draw: np.random.Generator) -> list[Any]:
    imputers = [
        None,
        None,
        impute.SimpleImputer(keep_empty_features=True),
        impute.SimpleImputer(strategy="median", keep_empty_features=True),
        impute.SimpleImputer(strategy="constant", fill_value=-1.0),
        impute.SimpleImputer(strategy="most_frequent", add_indicator=bool(draw.random() < 0.2)),
        impute.KNNImputer(n_neighbors=3, keep_empty_features=True) if draw.random() < 0.2 else None,
    ]
    scalers = [
        None,
        None,
        preprocessing.StandardScaler(),
        preprocessing.MinMaxScaler(),
        preprocessing.RobustScaler(),
        preprocessing.KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
        preprocessing.PolynomialFeatures(2),
        preprocessing.PowerTransformer(),
        feature_selection.VarianceThreshold(),
        compose.ColumnTransformer([("scaled", preprocessing.StandardScaler(), [0, 1])], remainder="passthrough"),
        compose.ColumnTransformer([("filled", impute.SimpleImputer(), [0, 1])], remainder="passthrough"),
    ]
    chosen = [imputers[draw.integers(len(imputers))], scalers[draw.integers(len(scalers))]]
    return [step for step in chosen if step is not None]


def _tree(draw: np.random.Generator) -> dict[str, Any]:
    return {"max_depth": int(draw.integers(1, 7)), "random_state": 0}


_CLASSIFIERS: list[Callable[[np.random.Generator], Any]] = [
    lambda draw: tree.DecisionTreeClassifier(**_tree(draw)),
    lambda draw: tree.ExtraTreeClassifier(**_tree(draw)),
    lambda draw: ensemble.RandomForestClassifier(8, **_tree(draw)),
    lambda draw: ensemble.ExtraTreesClassifier(8, bootstrap=bool(draw.integers(2)), **_tree(draw)),
    lambda draw: ensemble.HistGradientBoostingClassifier(max_iter=5, **_tree(draw)),
    lambda draw: ensemble.HistGradientBoostingClassifier(max_iter=5, categorical_features=[1], **_tree(draw)),
    lambda draw: ensemble.GradientBoostingClassifier(n_estimators=5, **_tree(draw)),
    lambda draw: ensemble.AdaBoostClassifier(n_estimators=4, random_state=0),
    lambda draw: linear_model.LogisticRegression(max_iter=200),
    lambda draw: neighbors.KNeighborsClassifier(int(draw.integers(1, 6))),
    lambda draw: naive_bayes.GaussianNB(),
    lambda draw: naive_bayes.BernoulliNB(),
    lambda draw: neural_network.MLPClassifier((6,), max_iter=20, random_state=0),
    lambda draw: svm.SVC(probability=True, random_state=0),
]
_REGRESSORS: list[Callable[[np.random.Generator], Any]] = [
    lambda draw: tree.DecisionTreeRegressor(**_tree(draw)),
    lambda draw: tree.ExtraTreeRegressor(**_tree(draw)),
    lambda draw: ensemble.RandomForestRegressor(8, **_tree(draw)),
    lambda draw: ensemble.ExtraTreesRegressor(8, bootstrap=bool(draw.integers(2)), **_tree(draw)),
    lambda draw: ensemble.HistGradientBoostingRegressor(max_iter=5, **_tree(draw)),
    lambda draw: ensemble.HistGradientBoostingRegressor(max_iter=5, categorical_features=[1], **_tree(draw)),
    lambda draw: ensemble.GradientBoostingRegressor(n_estimators=5, **_tree(draw)),
    lambda draw: ensemble.AdaBoostRegressor(n_estimators=4, random_state=0),
    lambda draw: linear_model.Ridge(),
    lambda draw: linear_model.HuberRegressor(),
    lambda draw: neighbors.KNeighborsRegressor(int(draw.integers(1, 6))),
    lambda draw: neural_network.MLPRegressor((6,), max_iter=20, random_state=0),
    lambda draw: svm.SVR(),
]


def fitted_xgboost(data: RandomData) -> Fitted:
    """A random booster or wrapper of one; categories are told by ``feature_types``."""
    x, y = data.training()
    draw = np.random.default_rng((data.seed, 6))
    types = ["c" if name == "shade" else "q" for name in data.encoding.columns]
    settings: dict[str, Any] = {
        "max_depth": int(draw.integers(1, 6)),
        "booster": str(draw.choice(["gbtree", "gbtree", "dart", "gblinear"])),
        "n_jobs": 1,
        "tree_method": str(draw.choice(["hist", "hist", "exact"])),
    }
    if settings["booster"] == "gblinear" or settings["tree_method"] == "exact":
        types = ["q"] * len(types)
    if draw.random() < 0.5:
        return _booster(data, x, y, settings, types)
    kinds = [xgboost.XGBRegressor, xgboost.XGBRFRegressor]
    if data.task != "regression":
        kinds = [xgboost.XGBClassifier, xgboost.XGBRFClassifier]
    kind = kinds[int(draw.random() < 0.2 and settings["booster"] == "gbtree" and settings["tree_method"] == "hist")]
    model = kind(n_estimators=6, enable_categorical="c" in types, feature_types=types, **settings).fit(x, y)
    return model, lambda rows: _sklearn_answer(model, rows, data.task)


def _booster(data: RandomData, x: np.ndarray, y: np.ndarray, settings: dict[str, Any], types: list[str]) -> Fitted:
    objective = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
    own = settings | {"objective": objective[data.task]} | ({"num_class": 3} if data.classes else {})

    def rows_of(rows: np.ndarray, label: Any = None) -> Any:
        return xgboost.DMatrix(rows, label, feature_types=types, enable_categorical="c" in types)

    booster = xgboost.train(own, rows_of(x, y), 6)
    return booster, lambda rows: booster.predict(rows_of(rows))


def fitted_lightgbm(data: RandomData) -> Fitted:
    """A random booster or wrapper of one; categories are told by ``categorical_feature``."""
    x, y = data.training()
    draw = np.random.default_rng((data.seed, 7))
    settings: dict[str, Any] = {
        "max_depth": int(draw.integers(1, 6)),
        "boosting_type": str(draw.choice(["gbdt", "gbdt", "dart", "rf"])),
        "min_child_samples": 5,
        "verbose": -1,
        "num_threads": 1,
        "bagging_freq": 1,
        "bagging_fraction": 0.8,
        "use_missing": bool(draw.random() < 0.8),
    }
    settings |= {["zero_as_missing", "linear_tree", "verbose"][draw.integers(3)]: True} if draw.random() < 0.3 else {}
    settings |= {"verbose": -1}
    categories = [n for n, name in enumerate(data.encoding.columns) if name == "shade"]
    if draw.random() < 0.5:
        objective = {"binary": "binary", "multiclass": "multiclass", "regression": "regression_l1"}[data.task]
        own = settings | {"objective": objective} | ({"num_class": 3} if data.classes else {})
        own |= {"linear_tree": False}  # it takes no objective of absolute differences
        booster = lightgbm.train(own, lightgbm.Dataset(x, y, categorical_feature=categories), 6)
        return booster, lambda rows: booster.predict(rows)
    kind = lightgbm.LGBMRegressor if data.task == "regression" else lightgbm.LGBMClassifier
    model = kind(n_estimators=6, **settings).fit(x, y, categorical_feature=categories)
    return model, lambda rows: _sklearn_answer(model, rows, data.task)


def fitted_torch(data: RandomData) -> Fitted:
    """A random network that is not trained, whose output has one of the usual shapes and types."""
    import torch
    from torch import nn

    from tests.support.random_networks import Network

    x, _ = data.training()
    torch.manual_seed(data.seed)
    network = Network(np.random.default_rng((data.seed, 8)), x, data.task).eval()

    def answer(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(rows)).double().numpy()

    assert isinstance(network, nn.Module)
    return network, answer


FITTED: dict[str, Callable[[RandomData], Fitted]] = {
    "sklearn": fitted_sklearn,
    "xgboost": fitted_xgboost,
    "lightgbm": fitted_lightgbm,
    "torch": fitted_torch,
}

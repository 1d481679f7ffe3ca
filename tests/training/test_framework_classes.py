"""Multiclass models of each framework are exported and loaded, and predict a probability of each class."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import ensemble, linear_model, svm

from mlp_assets.training.export import ExportError
from tests.support.exported import KIND, X, answers

# PyTorch's exporter calls functions that PyTorch has deprecated.
TORCH_EXPORTS = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


class Shares:
    """Predicts the same shares for every row: a multiclass model of no framework."""

    def __init__(self, shares: np.ndarray) -> None:
        self.shares = shares

    def save(self, folder: Path) -> None:
        np.save(folder / "shares.npy", self.shares)

    @classmethod
    def load(cls, folder: Path) -> "Shares":
        return cls(np.load(folder / "shares.npy"))

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return np.tile(self.shares, (len(matrix), 1))


@TORCH_EXPORTS
def test_every_framework_predicts_a_probability_of_each_class(tmp_path: Path) -> None:
    import lightgbm
    import torch
    import xgboost

    settings = {"n_estimators": 10, "random_state": 0}
    light = lightgbm.LGBMClassifier(**settings, verbose=-1).fit(X, KIND)
    boosted = xgboost.XGBClassifier(**settings, n_jobs=1).fit(X, KIND)
    raw = xgboost.train({"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(X, KIND), 5)
    linear, forest = linear_model.LogisticRegression().fit(X, KIND), ensemble.RandomForestClassifier(9).fit(X, KIND)
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Softmax(dim=1))
    with torch.no_grad():
        own = network(torch.from_numpy(X)).numpy()
    shares = np.array([0.2, 0.3, 0.5])
    models = [(each, each.predict_proba(X)) for each in (light, boosted, linear, forest)]
    models += [(raw, raw.predict(xgboost.DMatrix(X))), (network, own), (Shares(shares), np.tile(shares, (len(X), 1)))]
    for number, (model, wanted) in enumerate(models):
        (tmp_path / str(number)).mkdir()
        assert answers(tmp_path / str(number), model, "multiclass") == pytest.approx(wanted, abs=1e-5), model


@TORCH_EXPORTS
def test_a_model_without_probabilities_of_the_classes_is_refused(tmp_path: Path) -> None:
    import torch

    wide = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Softmax(dim=1))
    for number, (model, message) in enumerate([
        (torch.nn.Linear(3, 3), r"does not predict probabilities of the classes.*End it with torch.nn.Softmax"),
        (wide, r"shape \(400, 4\) for 400 rows.*a probability of each of the 3 classes"),
        (svm.LinearSVC().fit(X, KIND), "gives no probabilities, and the model's task is 'multiclass'"),
    ]):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        with pytest.raises(ExportError, match=message):
            answers(tmp_path / str(number), model, "multiclass")

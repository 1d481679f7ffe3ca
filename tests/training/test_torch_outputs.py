"""Outputs of networks in every shape and precision: served, or refused with what to write."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.training.export import ExportError, export
from tests.support.exported import GAPS, X, answers, run_of

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


class Network(nn.Module):
    """A small network whose probabilities go through a function."""

    def __init__(self, ended: Any, weights: Any = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers, self.ended = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid()), ended
        self.weights = weights
        self.layers.to(weights)

    def forward(self, x: torch.Tensor) -> Any:
        return self.ended(self.layers(x.to(self.weights)))


WANTED = Network(lambda y: y)(torch.from_numpy(X)).detach().numpy()[:, 0]


@pytest.mark.parametrize(
    ("ended", "within"),
    [
        (lambda y: y, 1e-6),
        (lambda y: y.squeeze(), 1e-6),
        (lambda y: y.squeeze(-1), 1e-6),
        (lambda y: y.flatten(), 1e-6),
        (lambda y: y.double(), 1e-6),
        (lambda y: y.half(), 1e-3),
        (lambda y: y.bfloat16(), 1e-2),
    ],
    ids=["column", "squeezed", "squeezed-last", "flat", "double", "half", "bfloat16"],
)
def test_shapes_and_precisions_of_outputs_are_served(tmp_path: Path, ended: Any, within: float) -> None:
    assert answers(tmp_path, Network(ended), "binary") == pytest.approx(WANTED, abs=within)


@pytest.mark.parametrize("weights", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_weights_of_other_precisions_are_served_or_refused(tmp_path: Path, weights: Any) -> None:
    with contextlib.suppress(ExportError):
        assert answers(tmp_path, Network(lambda y: y, weights), "binary") == pytest.approx(WANTED, abs=1e-2)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Network(lambda y: (y, y)), "returns a tuple.* whose forward gives one tensor"),
        (Network(lambda y: {"prediction": y}), "returns a dict"),
        (Network(lambda y: (y > 0.5).long()), "returns torch.int64, and the model's task is 'binary'"),
        (Network(lambda y: torch.logit(y)), "a binary model predicts the probability of 1.*torch.nn.Sigmoid"),
        (Network(lambda y: torch.cat([1 - y, y], dim=1)), "predicts shape .400, 2. for 400 rows"),
        (Network(lambda y: y.T), "predicts shape .1, 400. for 400 rows"),
        (Network(lambda y: y.mean()), "predicts shape .. for 400 rows"),
        (nn.Sequential(nn.Linear(3, 1).half(), nn.Sigmoid()), "does not take float32 rows.*return network.float"),
        (nn.Sequential(nn.Linear(3, 1).double(), nn.Sigmoid()), "does not take float32 rows of 3 features"),
        (nn.Sequential(nn.Linear(5, 1), nn.Sigmoid()), "does not take float32 rows of 3 features"),
        (Network(lambda y: y if y.sum() > 0 else 1 - y), "cannot be exported to ONNX"),
    ],
)
def test_other_outputs_are_refused(tmp_path: Path, model: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export(run_of(tmp_path, "binary"), model, tmp_path / "artifact")


def test_a_network_without_an_answer_for_missing_values_refuses_them(tmp_path: Path) -> None:
    """An operator of the ONNX runtime may give a number where the network gives none."""
    answers(tmp_path, Network(lambda y: y), "binary")
    scorer = load_scorer(tmp_path / "artifact")
    assert scorer.facts.refusals.missing == ("a", "b", "c")
    assert np.isnan(scorer.predict(GAPS.astype(np.float64))).tolist() == np.isnan(GAPS).any(axis=1).tolist()

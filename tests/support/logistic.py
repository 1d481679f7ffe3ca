"""A logistic regression in NumPy: a training is a process, and one with this model starts in half a second."""

from pathlib import Path

import numpy as np

import mlp_assets as mlp

SPACE = {
    "rate": mlp.FloatRange(0.001, 0.5, log=True),
    "halvings": mlp.IntRange(0, 4),
    "start": mlp.Choice(["zeros", "ones"]),
}


class Logistic:
    """Weights of the features and a constant; missing values count as 0."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    def save(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)

    @classmethod
    def load(cls, folder: Path) -> "Logistic":
        return cls(np.load(folder / "weights.npy"))

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return self.chance(_with_constant(matrix))

    def chance(self, columns: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-np.clip(columns @ self.weights, -30, 30)))


def fitted(x: np.ndarray, y: np.ndarray) -> Logistic:
    """The most likely weights, found by Newton's steps; a small penalty serves columns that say the same."""
    columns = _with_constant(x)
    scale = 1 + np.abs(columns).max(axis=0)
    columns, weights = columns / scale, np.zeros(columns.shape[1])
    for _ in range(10):
        chance = Logistic(weights).chance(columns)
        slopes = columns.T @ (chance - y) + 1e-3 * weights
        curves = (columns.T * (chance * (1 - chance))) @ columns + 1e-3 * np.eye(len(weights))
        weights = weights - np.linalg.solve(curves, slopes)
    return Logistic(weights / scale)


def train(run: mlp.TrainingRun) -> object:
    """Thirty steps of gradient descent, with the loss of the validation rows after each ten."""
    if run.params.get("dies"):
        raise mlp.MlpError("it cannot learn with these")
    x, scale = _with_constant(run.train.x), 1 + np.abs(_with_constant(run.train.x)).max(axis=0)
    rate = run.params["rate"] / 2 ** run.params["halvings"]
    model = Logistic(np.full(x.shape[1], 1.0 if run.params["start"] == "ones" else 0.0))
    for step in range(30):
        gradient = (x / scale).T @ (model.predict(run.train.x) - run.train.y) / len(x)
        model.weights = model.weights - rate * gradient
        if step % 10 == 9:
            run.log(step, loss=_log_loss(model.predict(run.validation.x), run.validation.y))
    return model


def _with_constant(matrix: np.ndarray) -> np.ndarray:
    return np.column_stack([np.nan_to_num(matrix.astype(np.float64)), np.ones(len(matrix))])


def _log_loss(chance: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(np.where(truth == 1, chance, 1 - chance)).mean())

"""Task: the kind of question that a model answers, and what follows from it for metrics, answers and checks."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import polars as pl

from mlp_assets.errors import MlpError

T = TypeVar("T")
TaskName = Literal["binary", "multiclass", "regression"]

HIGHER_IS_BETTER = ("roc_auc", "accuracy", "macro_f1")
# Metrics that lie between 0 and 1. The others are 0 or more.
SHARES = ("roc_auc", "brier", "accuracy", "macro_f1")


@dataclass(frozen=True)
class Task:
    """One of ``BINARY``, ``MULTICLASS`` and ``REGRESSION``.

    A binary model predicts the probability of 1 and a regression a number, both of shape (rows,). A multiclass model
    predicts one probability per class, of shape (rows, classes).

    Args:
        name: what a user writes in ``mlp.Model(task=...)``, and what plans, manifests and job files store.
        metrics: every metric of the task.
        compared_metrics: the metrics that gates compare by default. The first one is the main metric.
        logged_metrics: metrics computable from the prediction log. NannyML estimates the first before labels arrive.
        baselines: the baselines that ``mlp.BetterThan`` takes, besides ``column:<feature>``.
        has_classes: whether a label is one of a fixed set of classes.
        many_classes: whether the classes have names, texts or whole numbers, and each has a probability of its own.
        label_values: the only labels that exist; None where any number, or any class, is a label.
    """

    name: TaskName
    metrics: tuple[str, ...]
    compared_metrics: tuple[str, ...]
    logged_metrics: tuple[str, ...]
    baselines: tuple[str, ...]
    has_classes: bool
    many_classes: bool = False
    label_values: tuple[float, ...] | None = None

    @staticmethod
    def of(name: str) -> "Task":
        """The task of this name. Raises MlpError for any other name."""
        for task in TASKS:
            if task.name == name:
                return task
        raise MlpError(f"task={name!r} does not exist. Write one of {', '.join(get_args(TaskName))}.")

    @property
    def main_metric(self) -> str:
        """The metric that searches optimize and that reports show."""
        return self.compared_metrics[0]

    @property
    def estimated_metric(self) -> str:
        """The metric that is estimated before labels arrive."""
        return self.logged_metrics[0]

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The columns of the prediction log that hold the answer."""
        return ("prediction", "probability") if self.many_classes else ("prediction",)

    def label_type(self, dtype: Any) -> str:
        """The name of the Polars type in which labels of a target of type ``dtype`` are logged."""
        if not self.many_classes:
            return "Float64"
        return "String" if dtype == pl.String else "Int64"

    def choose(self, *, binary: T, multiclass: T, regression: T) -> T:
        """The argument of this task, for what cannot lie in this module because it needs other libraries."""
        return {"binary": binary, "multiclass": multiclass, "regression": regression}[self.name]


BINARY = Task(
    "binary",
    metrics=("roc_auc", "log_loss", "brier"),
    compared_metrics=("roc_auc", "log_loss"),
    logged_metrics=("roc_auc", "log_loss", "brier"),
    baselines=("base_rate", "logistic_regression", "tfidf"),
    has_classes=True,
    label_values=(0.0, 1.0),
)
MULTICLASS = Task(
    "multiclass",
    metrics=("accuracy", "log_loss", "macro_f1"),
    compared_metrics=("accuracy", "log_loss"),
    logged_metrics=("accuracy", "macro_f1"),
    baselines=("base_rate", "logistic_regression", "tfidf"),
    has_classes=True,
    many_classes=True,
)
REGRESSION = Task(
    "regression",
    metrics=("mae", "rmse"),
    compared_metrics=("mae",),
    logged_metrics=("mae", "rmse"),
    baselines=("mean",),
    has_classes=False,
)
TASKS = (BINARY, MULTICLASS, REGRESSION)

"""The code by which MLflow loads a registered version, also where the platform is not installed.

Each version is stored with this file and with the platform's own modules, so it imports nothing else of them.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class ServedModel(PythonModel):
    """Answers as the endpoint does, for features that the caller already has."""

    def load_context(self, context: Any) -> None:
        if find_spec("mlp_assets") is None:
            sys.path.append(context.artifacts["platform"])
        from mlp_assets.artifact.manifest import load_scorer

        self._scorer = load_scorer(Path(context.artifacts["serving"]))

    # MLflow warns without an annotation of the input, and makes its own schema of any other.
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """A row of answers for each row of inputs: ``prediction``, and ``probability`` of a multiclass model.

        A row that the endpoint refuses has no answer, NaN. ``params={"probabilities": True}`` adds the
        probabilities of all classes, in the order of the model.
        """
        predicted = self._scorer.predict(self._matrix(model_input))
        answered = np.logical_and.reduce(np.isfinite(predicted).reshape(len(predicted), -1), axis=1)
        classes = self._scorer.facts.classes
        answers: dict[str, Any] = classes.answers(np.where(np.isnan(predicted), -np.inf, predicted))
        if len(classes) and (params or {}).get("probabilities"):
            answers["probabilities"] = predicted.tolist()
        rows = pd.DataFrame(answers)
        return rows.where(np.broadcast_to(answered[:, None], rows.shape))

    def _matrix(self, rows: pd.DataFrame) -> Any:
        encoding = self._scorer.encoding
        columns = {name: _values(rows[name], encoded=name in encoding.encoders) for name in encoding.inputs}
        return encoding.matrix_of(len(rows), columns)


def _values(column: Any, *, encoded: bool) -> Any:
    if not encoded:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return [None if value is None or value is pd.NA or value != value else value for value in _plain(column)]


def _plain(column: Any) -> list[Any]:
    """The values as Python's own; a list is given as an array."""
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in column.tolist()]


set_model(ServedModel())

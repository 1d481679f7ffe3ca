"""The code by which MLflow loads a model of a project's own class. MLflow's other way is a pickle."""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from mlp_assets.artifact.manifest import load_scorer


class ServedArtifact(PythonModel):
    """Predicts with the artifact's scorer."""

    def load_context(self, context: Any) -> None:
        self._scorer = load_scorer(Path(context.artifacts["serving"]))

    # MLflow would make a schema of annotations, so there are none.
    def predict(self, context, model_input, params=None):  # pyrefly: ignore[bad-override, implicit-any-parameter]
        return self._scorer.predict(np.asarray(model_input, dtype=np.float64))


set_model(ServedArtifact())

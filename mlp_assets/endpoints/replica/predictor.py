"""A model's artifact with its own preprocessing: the one path from features to predictions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.endpoints.replica.row_features import Columns, RowFeatures
from mlp_assets.errors import MlpError
from mlp_assets.jobs.local_folder import local_folder


class Predictor:
    """Predicts by one version of a model. Threads may share it.

    Raises:
        MlpError: the artifact is not the registered one, or takes other inputs than the plan gives.
    """

    def __init__(self, plan: ModelPlan) -> None:
        self._numbers = plan.numbers
        self._scorer = load_scorer(local_folder(plan.model_address), plan.model_digest)
        self.classes, self.refusals = self._scorer.facts.classes, self._scorer.facts.refusals
        if self._scorer.encoding.inputs != plan.inputs:
            raise MlpError(
                f"Model {plan.model_name} version {plan.model_version} takes the inputs "
                f"{list(self._scorer.encoding.inputs)}, and the plan gives {list(plan.inputs)}. Materialize the "
                "candidate and the champion again."
            )

    def __call__(self, columns: Columns, features: RowFeatures) -> NDArray[np.float64]:
        """(rows,) predictions, or (rows, classes) probabilities. Raises MlpError where an input cannot be encoded."""
        return self._scorer.predict(self._matrix(columns, features.matrix))

    def _matrix(self, columns: Columns, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        encoding = self._scorer.encoding
        if not encoding.encoders:
            return numbers
        given: dict[str, Any] = dict(columns) | {name: numbers[:, place] for place, name in enumerate(self._numbers)}
        return encoding.matrix_of(len(numbers), given)

"""A loaded model, whatever its format."""

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_assets.artifact.encoding import Encoding
from mlp_assets.errors import MlpError
from mlp_assets.metrics.classes import Classes

Matrix = NDArray[np.float64]


class ArtifactError(MlpError):
    """An artifact is incomplete, was changed, or has a format that cannot be served."""


@dataclass(frozen=True)
class ModelFacts:
    """The facts of a model in its manifest."""

    encoding: Encoding
    task: str
    digest: str
    classes: Classes = field(default_factory=Classes)


class Scorer(Protocol):
    """A loaded model. ``predict`` takes the matrix of ``encoding`` and returns (rows,), or (rows, classes)."""

    @property
    def facts(self) -> ModelFacts: ...

    @property
    def encoding(self) -> Encoding: ...

    def predict(self, matrix: Matrix) -> Matrix: ...


@dataclass
class LoadedModel:
    """The base of all scorers."""

    facts: ModelFacts

    @property
    def encoding(self) -> Encoding:
        return self.facts.encoding

    def reshape(self, answer: Any, rows: int) -> Matrix:
        """The answer as (rows,), or (rows, classes) of a multiclass model. Raises ArtifactError for another size."""
        prediction, classes = np.asarray(answer, dtype=np.float64), len(self.facts.classes)
        shape = (rows, classes) if classes else (rows,)
        if prediction.size != math.prod(shape):
            raise ArtifactError(f"The model returned shape {prediction.shape} for {rows} rows. It must return {shape}.")
        return prediction.reshape(shape)

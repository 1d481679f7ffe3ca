"""What a loaded model is, whatever its format."""

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
    """An artifact is incomplete, was changed, or is of a format that is not served."""


@dataclass(frozen=True)
class Known:
    """What the manifest says of a model."""

    encoding: Encoding
    task: str
    digest: str
    classes: Classes = field(default_factory=Classes)


class Scorer(Protocol):
    """A loaded model. ``predict`` takes the matrix that ``encoding`` makes, and returns (rows,), or (rows, classes)."""

    @property
    def known(self) -> Known: ...

    @property
    def encoding(self) -> Encoding: ...

    def predict(self, matrix: Matrix) -> Matrix: ...


@dataclass
class Loaded:
    """What all scorers have in common."""

    known: Known

    @property
    def encoding(self) -> Encoding:
        return self.known.encoding

    def shaped(self, answer: Any, rows: int) -> Matrix:
        """The answer as (rows,), or (rows, classes) of a multiclass model. Raises ArtifactError for another size."""
        made, classes = np.asarray(answer, dtype=np.float64), len(self.known.classes)
        shape = (rows, classes) if classes else (rows,)
        if made.size != math.prod(shape):
            raise ArtifactError(f"The model gave shape {made.shape} for {rows} rows, where {shape} is due.")
        return made.reshape(shape)

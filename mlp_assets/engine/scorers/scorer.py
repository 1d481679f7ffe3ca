"""What a loaded model is, whatever its format."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_assets.engine.encoding import Encoding
from mlp_assets.spec.errors import MlpError

Matrix = NDArray[np.float64]


class ArtifactError(MlpError):
    """An artifact is incomplete, was changed, or is of a format that is not served."""


@dataclass(frozen=True)
class Known:
    """What the manifest says of a model."""

    encoding: Encoding
    task: str
    digest: str


class Scorer(Protocol):
    """A loaded model. ``predict`` takes the matrix that ``encoding`` makes, and returns (rows,)."""

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

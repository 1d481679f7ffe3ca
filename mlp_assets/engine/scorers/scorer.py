"""What a loaded model is, whatever its format."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlp_assets.spec.errors import MlpError

Matrix = NDArray[np.float64]


class ArtifactError(MlpError):
    """An artifact is incomplete, was changed, or is of a format that is not served."""


@dataclass(frozen=True)
class Known:
    """What the manifest says of a model."""

    features: tuple[str, ...]
    task: str
    digest: str


class Scorer(Protocol):
    """A loaded model. ``predict`` takes (rows, features) with NaN for missing and returns (rows,)."""

    @property
    def known(self) -> Known: ...

    @property
    def features(self) -> tuple[str, ...]: ...

    def predict(self, matrix: Matrix) -> Matrix: ...


@dataclass
class Loaded:
    """What all scorers have in common."""

    known: Known

    @property
    def features(self) -> tuple[str, ...]:
        return self.known.features

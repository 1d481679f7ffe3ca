"""The formats that are served without unpickling, and the scorer of each."""

import importlib
from pathlib import Path

from mlp_assets.artifact.formats.scorer import ArtifactError, ModelFacts, Scorer

# Format -> the scorer, and the extra that installs its library.
_SCORERS = {
    "onnx": ("mlp_assets.artifact.formats.onnx:OnnxScorer", "torch"),
    "lightgbm": ("mlp_assets.artifact.formats.lightgbm:LightgbmScorer", "lightgbm"),
    "xgboost": ("mlp_assets.artifact.formats.xgboost:XgboostScorer", "xgboost"),
    "own": ("mlp_assets.artifact.formats.own:OwnScorer", ""),
}
FORMATS = tuple(_SCORERS)


def load(format: str, directory: Path, file: str, loader: str | None, facts: ModelFacts) -> Scorer:
    """Loads the model of a verified folder.

    Raises:
        ArtifactError: the library of the format is not installed, or an own model's class cannot be imported.
    """
    path, extra = _SCORERS[format]
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)(facts, directory, file, loader)
    except ModuleNotFoundError as error:
        if not extra:
            raise
        raise ArtifactError(
            f"A model in the format {format!r} needs {error.name}, which is not installed. "
            f"Write pip install 'mlp-assets[{extra}]'."
        ) from error

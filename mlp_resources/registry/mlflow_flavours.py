"""Logs artifacts as MLflow models of their libraries' flavours."""

from importlib import metadata
from pathlib import Path
from typing import Any

from mlp_assets.artifact.manifest import load_scorer, verify
from mlp_resources.ports.registry import Candidate, RegistryError


def log_model(mlflow: Any, candidate: Candidate) -> Any:
    """Logs the artifact as MLflow users expect it: with flavour, signature and input example. Returns its info."""
    from mlflow.models import infer_signature

    manifest = verify(candidate.artifact, candidate.digest)
    path, scorer = str(candidate.artifact / manifest["file"]), load_scorer(candidate.artifact)
    matrix = scorer.encoding.matrix(candidate.example)
    if manifest["format"] == "lightgbm":
        import lightgbm
        import pandas as pd

        example = pd.DataFrame(matrix, columns=pd.Index(scorer.encoding.columns))
        booster = lightgbm.Booster(model_file=path)
        signature = infer_signature(example, booster.predict(example))
        needs = _requirements("lightgbm", "numpy", "pandas")
        return mlflow.lightgbm.log_model(
            booster, name="model", signature=signature, input_example=example, pip_requirements=needs
        )
    matrix = matrix.astype("float32")
    signature = infer_signature(matrix, scorer.predict(matrix.astype("float64")))
    if manifest["format"] == "xgboost":
        options = {"signature": signature, "input_example": matrix, "model_format": "ubj"}
        needs = _requirements("xgboost", "numpy", "pandas")
        return mlflow.xgboost.log_model(_best_trees(path), name="model", pip_requirements=needs, **options)
    if manifest["format"] == "onnx":
        import onnx

        needs = _requirements("onnx", "onnxruntime", "numpy", "pandas")
        return mlflow.onnx.log_model(
            onnx.load(path), name="model", signature=signature, input_example=matrix, pip_requirements=needs
        )
    if manifest["format"] == "own":
        code, artifacts = str(Path(__file__).with_name("mlflow_own_model.py")), {"serving": str(candidate.artifact)}
        options = {"signature": signature, "input_example": matrix, "pip_requirements": []}
        return mlflow.pyfunc.log_model(name="model", python_model=code, artifacts=artifacts, **options)
    raise RegistryError(f"The registry does not know how to log a model of the format {manifest['format']!r}.")


def _best_trees(path: str) -> Any:
    """The booster with the trees that are served: MLflow predicts with all trees that it has."""
    import xgboost

    booster = xgboost.Booster(model_file=path)
    best = booster.attr("best_iteration")
    return booster[: int(best) + 1] if best is not None else booster


def _requirements(*packages: str) -> list[str]:
    """The packages with their installed versions. MLflow would infer them by predicting in another process, in 5 s."""
    return [f"{package}=={metadata.version(package)}" for package in packages]

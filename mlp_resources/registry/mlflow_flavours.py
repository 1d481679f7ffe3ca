"""Logs an artifact as one MLflow model: as a Python function that answers like the endpoint, and by its library."""

import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlp_assets.artifact.manifest import load_scorer, verify
from mlp_assets.artifact.tokens import FittedTokens
from mlp_resources.ports.registry import Candidate
from mlp_resources.registry.mlflow_signature import example_of, signature_of

_SERVING, _PLATFORM = "serving", "platform"
_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "onnx": ("onnxruntime",), "lightgbm": ("lightgbm",), "xgboost": ("xgboost",), "own": (),
}  # fmt: skip
_ALWAYS = ("numpy", "pandas", "polars", "filelock")


def log_model(candidate: Candidate) -> Any:
    """Logs the artifact with flavours, signature and input example. Returns its info."""
    from mlflow.models import Model

    return Model.log(None, name="model", flavor=sys.modules[__name__], candidate=candidate)


def save_model(path: str, mlflow_model: Any, candidate: Candidate, **_: Any) -> None:
    """What MLflow calls to write the model to a folder."""
    import mlflow.pyfunc

    manifest = verify(candidate.artifact, candidate.digest)
    scorer = load_scorer(candidate.artifact)
    example = candidate.example.select(scorer.encoding.inputs)
    libraries = [*_LIBRARIES[manifest["format"]], *_ALWAYS]
    if any(isinstance(encoder, FittedTokens) for encoder in scorer.encoding.encoders.values()):
        libraries.append("tokenizers")
    with tempfile.TemporaryDirectory() as scratch:
        mlflow.pyfunc.save_model(
            path,
            mlflow_model=mlflow_model,
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={_SERVING: str(candidate.artifact), _PLATFORM: _zipped_platform(Path(scratch))},
            signature=signature_of(example, scorer.facts.classes.values),
            input_example=example_of(example),
            pip_requirements=_requirements(*libraries),
        )
    data = f"artifacts/{candidate.artifact.name}/{manifest['file']}"
    flavour = _native_flavour(manifest["format"], Path(path), data)
    if flavour:
        mlflow_model.add_flavor(manifest["format"], **flavour)
        mlflow_model.save(str(Path(path) / "MLmodel"))


def _native_flavour(format: str, folder: Path, data: str) -> dict[str, Any]:
    """What lets ``mlflow.onnx``, ``mlflow.lightgbm`` or ``mlflow.xgboost`` load the same file; empty for own models."""
    match format:
        case "onnx":
            return {"onnx_version": metadata.version("onnx"), "data": data, "providers": ["CPUExecutionProvider"]}
        case "lightgbm":
            kind = "lightgbm.basic.Booster"
            return {"lgb_version": metadata.version("lightgbm"), "data": data, "model_class": kind, "code": None}
        case "xgboost":
            _best_trees(str(folder / data)).save_model(folder / "model.ubj")
            about = {"model_class": "xgboost.core.Booster", "model_format": "ubj", "code": None}
            return {"xgb_version": metadata.version("xgboost"), "data": "model.ubj"} | about
        case _:
            return {}


def _best_trees(path: str) -> Any:
    """The booster with the trees that are served: MLflow predicts with all trees that it has."""
    import xgboost

    booster = xgboost.Booster(model_file=path)
    best = booster.attr("best_iteration")
    return booster[: int(best) + 1] if best is not None else booster


def _zipped_platform(folder: Path) -> str:
    """The platform's modules as one file that Python imports from, the same bytes for the same code."""
    spec = find_spec("mlp_assets")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    target = folder / "mlp_assets.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*.py")):
            entry = zipfile.ZipInfo(str(file.relative_to(root.parent)))
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return str(target)


def _requirements(*packages: str) -> list[str]:
    """The packages with their installed versions. MLflow would infer them by predicting in another process, in 5 s."""
    return [f"{package}=={metadata.version(package)}" for package in ("mlflow", *packages)]

"""The artifact of a model: a folder with a manifest of hashes, served without unpickling anything."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mlp_assets.spec.errors import MlpError

MANIFEST = "model.json"
FORMATS = ("onnx", "lightgbm")
Matrix = NDArray[np.float64]


class ArtifactError(MlpError):
    """An artifact is incomplete, was changed, or is of a format that is not served."""


class Scorer(Protocol):
    """A loaded model. ``predict`` takes (rows, features) with NaN for missing and returns (rows,)."""

    features: tuple[str, ...]
    task: str
    digest: str

    def predict(self, matrix: Matrix) -> Matrix: ...


def write_manifest(directory: Path, *, format: str, file: str, features: tuple[str, ...], task: str) -> str:
    """Writes ``model.json`` with the SHA-256 of every file of the folder; returns the artifact's digest."""
    files = {
        path.name: _sha256(path) for path in sorted(directory.iterdir()) if path.is_file() and path.name != MANIFEST
    }
    manifest = {"format": format, "file": file, "features": list(features), "task": task, "files": files}
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return artifact_digest(directory)


def artifact_digest(directory: Path) -> str:
    """SHA-256 of the manifest in canonical JSON; as the manifest has every file's hash, it names the whole content."""
    return hashlib.sha256(json.dumps(_manifest(directory), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def verify(directory: Path, expected_digest: str | None = None) -> dict[str, Any]:
    """Returns the manifest after every file was compared with its hash. Raises ArtifactError on any difference."""
    manifest = _manifest(directory)
    if expected_digest is not None and artifact_digest(directory) != expected_digest:
        raise ArtifactError(f"The artifact in {directory.name} is not the registered one: its digest differs.")
    present = {path.name for path in directory.iterdir() if path.name != MANIFEST}
    stray = present ^ set(manifest["files"])
    if stray:
        raise ArtifactError(f"The artifact's files and its manifest differ in {sorted(stray)}.")
    for name, digest in manifest["files"].items():
        if _sha256(directory / name) != digest:
            raise ArtifactError(f"File {name} of the artifact was changed after it was registered.")
    if manifest["format"] not in FORMATS:
        raise ArtifactError(f"Format {manifest['format']!r} is not served. Served without unpickling: {FORMATS}.")
    return manifest


def load_scorer(directory: Path, expected_digest: str | None = None) -> Scorer:
    """Loads a verified artifact. Raises ArtifactError before anything is loaded that was changed."""
    manifest = verify(directory, expected_digest)
    make = _OnnxScorer if manifest["format"] == "onnx" else _LightgbmScorer
    digest = artifact_digest(directory)
    return make(directory / manifest["file"], tuple(manifest["features"]), manifest["task"], digest)


@dataclass
class _OnnxScorer:
    path: Path
    features: tuple[str, ...]
    task: str
    digest: str

    def __post_init__(self) -> None:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]  # it has none

        runtime = cast("Any", onnxruntime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = runtime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        self._input: str = self._session.get_inputs()[0].name

    def predict(self, matrix: Matrix) -> Matrix:
        answer = self._session.run(None, {self._input: matrix.astype(np.float32)})[0]
        return np.asarray(answer, dtype=np.float64).reshape(len(matrix))


@dataclass
class _LightgbmScorer:
    path: Path
    features: tuple[str, ...]
    task: str
    digest: str

    def __post_init__(self) -> None:
        import lightgbm

        self._booster: Any = lightgbm.Booster(model_file=str(self.path))

    def predict(self, matrix: Matrix) -> Matrix:
        return np.asarray(self._booster.predict(matrix, num_threads=1), dtype=np.float64)


def _manifest(directory: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"The artifact in {directory.name} has no readable {MANIFEST}.") from error
    wanted = {"format", "file", "features", "task", "files"}
    if not isinstance(manifest, dict) or set(cast("dict[str, Any]", manifest)) != wanted:
        raise ArtifactError(f"The artifact's {MANIFEST} is not one of this platform's.")
    found = cast("dict[str, Any]", manifest)
    names = [found["file"], *found["files"]]
    if (
        any(not isinstance(name, str) or Path(name).name != name for name in names)
        or found["file"] not in found["files"]
    ):
        raise ArtifactError(f"The artifact's {MANIFEST} names a file outside of its folder.")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

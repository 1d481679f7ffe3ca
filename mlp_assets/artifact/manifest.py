"""The artifact of a model: a folder with a manifest of hashes, served without unpickling anything."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mlp_assets.artifact.encoding import Encoding, Fitted
from mlp_assets.artifact.formats.registry import FORMATS, load
from mlp_assets.artifact.formats.scorer import ArtifactError, ModelFacts, Refusals, Scorer
from mlp_assets.artifact.pickles import check_no_pickles
from mlp_assets.metrics.classes import Classes

MANIFEST, ENCODERS = "model.json", "encoders.json"
_REQUIRED = {"format", "file", "features", "task", "files"}
_LOADER, _ENCODERS, _CLASSES, _REFUSES = "loader", "encoders", "classes", "refuses"
_OPTIONAL = {_LOADER, _ENCODERS, _CLASSES, _REFUSES}
_NO_REFUSALS = Refusals()


def write_manifest(
    directory: Path,
    *,
    format: str,
    file: str,
    features: tuple[str, ...],
    task: str,
    loader: str | None = None,
    encoders: Mapping[str, Fitted] | None = None,
    classes: Sequence[Any] = (),
    refusals: Refusals = _NO_REFUSALS,
) -> str:
    """Writes ``model.json`` with the SHA-256 of every file of the folder; returns the artifact's digest.

    Args:
        features: the inputs, before encoding.
        encoders: input -> its fitted encoder; they are written to a file of their own.
        classes: classes of a multiclass model, in the order of its outputs.
        loader: the class ``module:name`` that loads an own model's files; None for all other formats.
        refusals: the rows that the model itself refuses.
    """
    if encoders:
        stored = Encoding(features, encoders).to_dict()
        (directory / ENCODERS).write_text(json.dumps(stored, sort_keys=True, ensure_ascii=False), encoding="utf-8")
    files = {
        path.name: _sha256(path) for path in sorted(directory.iterdir()) if path.is_file() and path.name != MANIFEST
    }
    manifest = {"format": format, "file": file, "features": list(features), "task": task, "files": files}
    manifest |= {_LOADER: loader} if loader is not None else {}
    manifest |= {_ENCODERS: ENCODERS} if encoders else {}
    manifest |= {_CLASSES: list(classes)} if classes else {}
    manifest |= {_REFUSES: refusals.to_dict()} if refusals else {}
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return artifact_digest(directory)


def artifact_digest(directory: Path) -> str:
    """SHA-256 of the manifest in canonical JSON. The manifest has the hash of every file, so it covers the content."""
    return hashlib.sha256(json.dumps(_manifest(directory), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def verify(directory: Path, expected_digest: str | None = None) -> dict[str, Any]:
    """The manifest, after every file was compared with its hash. Raises ArtifactError on any difference."""
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
        raise ArtifactError(
            f"Format {manifest['format']!r} is not served. Formats that need no unpickling are {FORMATS}."
        )
    check_no_pickles(directory)
    return manifest


def load_scorer(directory: Path, expected_digest: str | None = None) -> Scorer:
    """Loads a verified artifact.

    Raises:
        ArtifactError: a file was changed (found before any is loaded), or the library of the format is not installed.
    """
    manifest = verify(directory, expected_digest)
    stored: dict[str, Any] = {}
    if _ENCODERS in manifest:
        stored = json.loads((directory / ENCODERS).read_text(encoding="utf-8"))
    encoding = Encoding.from_dict(manifest["features"], stored)
    classes = Classes(tuple(manifest.get(_CLASSES, ())))
    refusals = Refusals.from_dict(manifest[_REFUSES]) if _REFUSES in manifest else _NO_REFUSALS
    facts = ModelFacts(encoding, manifest["task"], artifact_digest(directory), classes, refusals)
    return load(manifest["format"], directory, manifest["file"], manifest.get(_LOADER), facts)


def _manifest(directory: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"The artifact in {directory.name} has no readable {MANIFEST}.") from error
    if not isinstance(manifest, dict) or set(cast("dict[str, Any]", manifest)) - _OPTIONAL != _REQUIRED:
        raise ArtifactError(f"The artifact's {MANIFEST} was not written by this platform.")
    read = cast("dict[str, Any]", manifest)
    names = [read["file"], *read["files"]]
    if _ENCODERS in read and (read[_ENCODERS] != ENCODERS or ENCODERS not in read["files"]):
        raise ArtifactError(f"The artifact's {MANIFEST} names encoders that are not among its files.")
    if any(not isinstance(name, str) or Path(name).name != name for name in names) or read["file"] not in read["files"]:
        raise ArtifactError(f"The artifact's {MANIFEST} names a file outside of its folder.")
    return read


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

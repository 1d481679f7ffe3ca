"""Refuses files in an artifact that run code when they are read, whatever their names."""

import zipfile
from pathlib import Path

from mlp_assets.artifact.formats.scorer import ArtifactError

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
_PICKLE_OPCODE, _NEWEST_PROTOCOL, _NPY = 0x80, 5, b"\x93NUMPY"
_HEADER = 1024


def check_no_pickles(directory: Path) -> None:
    """Raises ArtifactError for a file that is a pickle or contains one."""
    for path in sorted(directory.iterdir()):
        reason = _reason(path)
        if reason is not None:
            raise ArtifactError(
                f"File {path.name} of the artifact {reason}, and reading it would run code. Write weights as "
                "safetensors or as .npy files of numbers, and settings as JSON."
            )


def _reason(path: Path) -> str | None:
    if path.suffix in _SUFFIXES:
        return "is a pickle by its name"
    with path.open("rb") as file:
        head = file.read(_HEADER)
    if head[:1] == bytes([_PICKLE_OPCODE]) and 2 <= head[1] <= _NEWEST_PROTOCOL:
        return "is a pickle"
    if _holds_objects(head):
        return "is an array of Python objects, which NumPy pickles"
    if zipfile.is_zipfile(path):
        return _zip_reason(path)
    return None


def _zip_reason(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                head = file.read(_HEADER)
            if Path(name).suffix in _SUFFIXES or head[:1] == bytes([_PICKLE_OPCODE]):
                return f"contains a pickle ({name})"
            if _holds_objects(head):
                return f"contains an array of Python objects ({name})"
    return None


def _holds_objects(head: bytes) -> bool:
    return head.startswith(_NPY) and b"'descr': '|O'" in head

"""Adds a code location to workspace.yaml, and leaves everything else in the file as it is."""

from pathlib import Path
from typing import Any, cast

import yaml

from mlp_assets.errors import MlpError
from mlp_assets.feature_store.workspace import text_of


class WorkspaceFileError(MlpError):
    """A code location cannot be added to the workspace file."""


def location(name: str) -> dict[str, Any]:
    """The entry of a package beside the file. Both paths are relative to the file, so its folder may be moved."""
    where = {"relative_path": f"{name}/definitions.py", "working_directory": ".", "location_name": name}
    return {"python_file": where}


def with_location(file: Path, name: str) -> str:
    """The text of the file with the entry of the package added; the file need not exist.

    Raises:
        WorkspaceError: it is not UTF-8.
        WorkspaceFileError: it has a location of this name, or adding one would lose comments.
    """
    text = text_of(file) if file.exists() else ""
    parsed = _parsed(file, text)
    entries = _entries(file, parsed)
    if name in [_name(entry) for entry in entries]:
        raise WorkspaceFileError(
            f"{file} has a code location {name!r} already. Choose another name, or remove it there."
        )
    wanted = {**parsed, "load_from": [*entries, location(name)]}
    extended = _extend(text, name) if text.strip() else f"load_from:\n{_lines(name, '  ')}"
    if _parses_to(extended, wanted):
        return extended
    if "#" in text:
        raise WorkspaceFileError(
            f"{file} is written so that adding to it would lose its comments. Write its load_from as a list with one "
            f"entry per line:\nload_from:\n{_lines(name, '  ')}"
        )
    return yaml.safe_dump(wanted, sort_keys=False)


def _parsed(file: Path, text: str) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WorkspaceFileError(f"{file} is not valid YAML: {error}. Fix it first.") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        kind = "list" if isinstance(parsed, list) else "text"
        raise WorkspaceFileError(
            f"{file} holds a {kind}, and Dagster reads code locations below load_from. Write load_from: in its first "
            "line, and indent the rest below it."
        )
    return cast("dict[str, Any]", parsed)


def _parses_to(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        return False


def _entries(file: Path, parsed: dict[str, Any]) -> list[Any]:
    entries = parsed.get("load_from")
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise WorkspaceFileError(f"{file}: load_from is not a list. Write each code location below it, after a '- '.")
    return cast("list[Any]", entries)


def _name(entry: object) -> str | None:
    """The name of a code location: ``location_name``, else its module, package or file."""
    if not isinstance(entry, dict):
        return None
    where = next(iter(cast("dict[str, Any]", entry).values()), None)
    if not isinstance(where, dict):
        return str(where)
    named = ("location_name", "module_name", "package_name", "relative_path")
    return next((str(where[key]) for key in named if key in where), None)


def _extend(text: str, name: str) -> str:
    """The text with the entry after the last line of ``load_from``. The caller parses it to check the result."""
    lines = text.splitlines()
    start = next((place for place, line in enumerate(lines) if line.split("#")[0].rstrip() == "load_from:"), None)
    if start is None:
        return f"{text.rstrip()}\nload_from:\n{_lines(name, '  ')}"
    below = range(start + 1, len(lines))
    end = next((n for n in below if lines[n][:1] not in ("", " ", "-", "#")), len(lines))
    filled = [n for n in range(start, end) if lines[n].strip()]
    dashes = [lines[n] for n in filled[1:] if lines[n].lstrip().startswith("- ")]
    indent = dashes[0][: len(dashes[0]) - len(dashes[0].lstrip())] if dashes else "  "
    last = filled[-1] + 1
    return "\n".join([*lines[:last], _lines(name, indent).rstrip(), *lines[last:], ""])


def _lines(name: str, indent: str) -> str:
    (where,) = location(name).values()
    return f"{indent}- python_file:\n" + "".join(f"{indent}    {key}: {value}\n" for key, value in where.items())

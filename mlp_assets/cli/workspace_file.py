"""workspace.yaml: adding a code location to it, and leaving all else as it is."""

from pathlib import Path
from typing import Any, cast

import yaml

from mlp_assets.errors import MlpError


class WorkspaceFileError(MlpError):
    """A workspace file that no code location can be added to."""


def location(name: str) -> dict[str, Any]:
    """The entry of a package beside the file. Dagster takes both paths from the file's folder, so it may be moved."""
    where = {"relative_path": f"{name}/definitions.py", "working_directory": ".", "location_name": name}
    return {"python_file": where}


def with_location(file: Path, name: str) -> str:
    """The text of the file (which may not be there yet) with the entry of the package added.

    Raises:
        WorkspaceFileError: it has a location of this name, or is written so that adding one would lose something.
    """
    text = file.read_text() if file.exists() else ""
    entries = _entries(file, text)
    if name in [_name(entry) for entry in entries]:
        raise WorkspaceFileError(
            f"{file} has a code location {name!r} already. Choose another name, or take it out there."
        )
    wanted = {**(_parsed(file, text) or {}), "load_from": [*entries, location(name)]}
    added = _added(text, name) if text.strip() else f"load_from:\n{_lines(name, '  ')}"
    if _is(added, wanted):
        return added
    if "#" in text:
        raise WorkspaceFileError(
            f"{file} is written so that adding to it would lose its comments. Write its load_from as a list of one "
            f"entry a line:\nload_from:\n{_lines(name, '  ')}"
        )
    return yaml.safe_dump(wanted, sort_keys=False)


def _parsed(file: Path, text: str) -> dict[str, Any] | None:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WorkspaceFileError(f"{file} is no YAML: {error}. Mend it first.") from None


def _is(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        return False


def _entries(file: Path, text: str) -> list[Any]:
    parsed = _parsed(file, text)
    found = parsed.get("load_from") if isinstance(parsed, dict) else parsed
    if found is None:
        return []
    if not isinstance(found, list):
        raise WorkspaceFileError(f"{file}: load_from is no list. Write the code locations below it, each after a '- '.")
    return cast("list[Any]", found)


def _name(entry: object) -> str | None:
    """The name of a code location: the one it is given, else that of its module, package or file."""
    if not isinstance(entry, dict):
        return None
    where = next(iter(cast("dict[str, Any]", entry).values()), None)
    if not isinstance(where, dict):
        return str(where)
    named = ("location_name", "module_name", "package_name", "relative_path")
    return next((str(where[key]) for key in named if key in where), None)


def _added(text: str, name: str) -> str:
    """The text with the entry after the last line of ``load_from``; the caller looks whether that was right."""
    lines = text.splitlines()
    begins = next((place for place, line in enumerate(lines) if line.split("#")[0].rstrip() == "load_from:"), None)
    if begins is None:
        return f"{text.rstrip()}\nload_from:\n{_lines(name, '  ')}"
    below = range(begins + 1, len(lines))
    ends = next((n for n in below if lines[n][:1] not in ("", " ", "-", "#")), len(lines))
    filled = [n for n in range(begins, ends) if lines[n].strip()]
    dashes = [lines[n] for n in filled[1:] if lines[n].lstrip().startswith("- ")]
    indent = dashes[0][: len(dashes[0]) - len(dashes[0].lstrip())] if dashes else "  "
    last = filled[-1] + 1
    return "\n".join([*lines[:last], _lines(name, indent).rstrip(), *lines[last:], ""])


def _lines(name: str, indent: str) -> str:
    (where,) = location(name).values()
    return f"{indent}- python_file:\n" + "".join(f"{indent}    {key}: {value}\n" for key, value in where.items())

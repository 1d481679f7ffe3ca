"""A code version that changes when the spec changes, or the user's code that it reaches."""

import ast
import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from mlp_assets.jobs.source_files import source_of
from mlp_assets.nouns.noun import LATER

_PROSE = {"description", "describe", "owner", "tags"}


def code_version(spec: object, *functions: Callable[..., object] | None) -> str:
    """Twelve hex digits over the spec's own fields and the modules of its functions, helpers included."""
    total = hashlib.sha256(_described(spec).encode())
    for function in functions:
        if function is not None:
            total.update(module_digest(function.__module__).encode())
    return total.hexdigest()[:12]


def fingerprint(value: object) -> str:
    """Twelve hex digits that change when a spec or a part of one does, its prose aside."""
    return hashlib.sha256(_described(value, 1).encode()).hexdigest()[:12]


def _described(value: Any, depth: int = 0) -> str:
    if isinstance(value, pl.Expr):
        return hashlib.sha256(value.meta.serialize()).hexdigest()  # its text leaves the middle of long lists out
    if is_dataclass(value) and not isinstance(value, type):
        if depth and hasattr(value, "where") and hasattr(value, "problems"):
            return f"{type(value).__name__}:{value.name}"  # type: ignore[attr-defined]  # all specs have one
        listed = (
            f"{f.name}={_described(getattr(value, f.name), depth + 1)}" for f in fields(value) if _counts(value, f)
        )
        return f"{type(value).__name__}({', '.join(listed)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_described(item, depth + 1)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_described(item, depth + 1) for item in value) + "]"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    return repr(value)


def _counts(spec: Any, field: "Field[Any]") -> bool:
    """Whether the field is part of the version: prose is not, nor a later field that is left at its default."""
    if field.name in _PROSE:
        return False
    return not field.metadata.get(LATER) or _described(getattr(spec, field.name)) != _described(field.default)


@cache
def module_digest(module: str) -> str:
    """SHA-256 over the source of a module and of the modules of the same package that it imports, transitively."""
    total = hashlib.sha256()
    for name, path in sorted(_reached(module).items()):
        total.update(name.encode() + path.read_bytes())
    return total.hexdigest()


def _reached(module: str) -> dict[str, Path]:
    files: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = source_of(name)
        if name in files or path is None:
            continue
        files[name] = path
        waiting += [other for other in _imports(name, path) if _same_project(module, other)]
    return files


def _imports(module: str, path: Path) -> list[str]:
    modules: list[str] = []
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                if node.level
                else node.module
            )
            modules += [str(base), *(f"{base}.{alias.name}" for alias in node.names)]
    return modules


def _same_project(module: str, other: str) -> bool:
    """A project is the folder of the module; the platform's own code is versioned by its release."""
    return other.startswith(module.rpartition(".")[0] + ".") if "." in module else False

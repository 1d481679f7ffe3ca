"""The source file of a module."""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


def source_of(module: str) -> Path | None:
    """The Python file of a module; None for an unknown module or one without a file.

    Nothing is imported, neither the module nor the packages that it is in: it may import torch.
    """
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None:
        spec = _spec_of(module)
        origin = spec.origin if spec is not None else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _spec_of(module: str) -> ModuleSpec | None:
    package = module.rpartition(".")[0]
    try:
        if not package:
            return importlib.util.find_spec(module)  # finds a module of the top level without importing it
        folders = _folders_of(package)
        return PathFinder.find_spec(module, folders) if folders is not None else None
    except (ImportError, ValueError):
        return None


def _folders_of(package: str) -> Sequence[str] | None:
    """Where a package's modules lie; None for what is no package."""
    if package in sys.modules:
        return getattr(sys.modules[package], "__path__", None)
    spec = _spec_of(package)
    return spec.submodule_search_locations if spec is not None else None

"""Where another process finds the package of a user's function: a code location's folder is on nobody else's path."""

import importlib.util
import sys
from pathlib import Path


def folder_of(function: str) -> str | None:
    """The folder to search for the top-level package of ``package.module:function``; None for what has no file."""
    module = function.partition(":")[0]
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec is not None else None
    if origin is None or not Path(origin).exists():
        return None
    path = Path(origin).resolve()
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return str([folder, *folder.parents][module.count(".")])

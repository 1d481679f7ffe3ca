"""Where the source of a module lies."""

import importlib.util
import sys
from pathlib import Path


def source_of(module: str) -> Path | None:
    """The file of a module, loaded or not; None where there is no such module, or it has no Python file."""
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec is not None else None
    return Path(origin) if origin and origin.endswith(".py") else None

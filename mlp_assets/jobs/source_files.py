"""The source file of a module."""

import importlib.util
import sys
from pathlib import Path


def source_of(module: str) -> Path | None:
    """The Python file of a module, whether it is loaded or not; None for an unknown module or one without a file."""
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec is not None else None
    return Path(origin) if origin and origin.endswith(".py") else None

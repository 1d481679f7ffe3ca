"""Functions and classes by the path that plans and artifacts store: ``module:name``."""

import importlib
from typing import Any

# Packages that were renamed. What was stored before names the old ones.
_RENAMED = {"mlp_assets.projects": "mlp_assets.examples"}


def load_by_path(path: str) -> Any:
    """The object at ``module:name``.

    Raises:
        ImportError, AttributeError, ValueError: there is none.
    """
    module, _, name = path.partition(":")
    for before, after in _RENAMED.items():
        if module.startswith(f"{before}."):
            module = after + module.removeprefix(before)
    return getattr(importlib.import_module(module), name)

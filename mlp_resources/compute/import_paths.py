"""Where another process finds the package of a user's function: a code location's folder is on nobody else's path."""

import os

from mlp_assets.jobs.source_files import source_of


def folder_of(function: str) -> str | None:
    """The folder to search for the top-level package of ``package.module:function``; None for what has no file."""
    module = function.partition(":")[0]
    source = source_of(module)
    if source is None or not source.exists():
        return None
    path = source.resolve()
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return str([folder, *folder.parents][module.count(".")])


def inherited_python_path() -> str:
    """This process's PYTHONPATH, which its workers elsewhere need too; empty without one."""
    return os.environ.get("PYTHONPATH", "")

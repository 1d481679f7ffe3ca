"""Search paths that other processes need to import a user's function.

The folder of a Dagster code location is on the path of its own process only.
"""

import os

from mlp_assets.jobs.source_files import source_of


def import_folder(function: str) -> str | None:
    """The folder that holds the top-level package of ``package.module:function``; None for one without a file."""
    module = function.partition(":")[0]
    source = source_of(module)
    if source is None or not source.exists():
        return None
    path = source.resolve()
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return str([folder, *folder.parents][module.count(".")])


def inherited_python_path() -> str:
    """This process's PYTHONPATH, which its workers need, too; empty without one."""
    return os.environ.get("PYTHONPATH", "")

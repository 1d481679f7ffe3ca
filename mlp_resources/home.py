"""Where the platform keeps its state: one directory, on which every process agrees."""

import os
from pathlib import Path


def home() -> Path:
    """``MLP_HOME``, or ``.mlp`` below the working directory; absolute."""
    return Path(os.environ.get("MLP_HOME") or ".mlp").expanduser().resolve()


def dagster_home() -> Path:
    """The home of the Dagster instance, below ``home()``."""
    return home() / "dagster"

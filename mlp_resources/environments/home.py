"""The home: the directory of all state, on which every process of the platform agrees."""

import os
from pathlib import Path

from mlp_assets.files import replace_text

_DAGSTER_YAML = """\
# Written once by the platform; yours to change.
nux:
  enabled: false
telemetry:
  enabled: false
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  poll_interval_seconds: 30
run_retries:
  enabled: true
concurrency:
  runs:
    max_concurrent_runs: 2
sensors:
  use_threads: true
  num_workers: 2
"""


def home(beside: Path | None = None) -> Path:
    """Absolute path of the home: ``MLP_HOME``, else ``.mlp`` below ``beside`` (the working directory by default)."""
    return Path(os.environ.get("MLP_HOME") or (beside or Path()) / ".mlp").expanduser().resolve()


def prepare_home() -> Path:
    """Creates the home with a Dagster instance in it, unless it exists."""
    folder = home()
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster" / "dagster.yaml"
    if not settings.exists():
        replace_text(settings, _DAGSTER_YAML)
    return folder

"""The home: the directory of all state, on which every process of the platform agrees."""

import os
from collections.abc import Mapping
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


def use_home(also: Mapping[str, str] | None = None) -> Path:
    """Prepares the home, and gives this process the environment variables of the platform, and others."""
    folder = prepare_home()
    os.environ.update(environment_variables() | dict(also or {}))
    return folder


def environment_variables() -> dict[str, str]:
    """Environment variables of every process of the platform: all use one home, and no library sends telemetry."""
    folder = home()
    return {
        "MLP_HOME": str(folder),
        "DAGSTER_HOME": str(folder / "dagster"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow/mlflow.db",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "NML_DISABLE_USAGE_LOGGING": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DO_NOT_TRACK": "1",
    }

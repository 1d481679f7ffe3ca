"""The home: the directory of all state, on which every process of the platform agrees."""

import os
from pathlib import Path

from mlp_assets.errors import MlpError
from mlp_assets.files import replace_text
from mlp_assets.tables.storage import unusable_in_path

_DAGSTER_YAML = """\
# Written by the platform; yours to change. While you have not, max_concurrent_runs follows the memory.
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
    max_concurrent_runs: {runs}
sensors:
  use_threads: true
  num_workers: 2
"""
_EARLIER = _DAGSTER_YAML.replace(_DAGSTER_YAML.splitlines()[0], "# Written once by the platform; yours to change.")
_MOST_RUNS = 2


# SQLAlchemy ends the address of a database at them, so the state of MLflow would lie elsewhere.
_ENDS_ADDRESS = "#?"


def home(beside: Path | None = None) -> Path:
    """Absolute path of the home: ``MLP_HOME``, else ``.mlp`` below ``beside`` (the working directory by default).

    Raises:
        MlpError: the path cannot hold all state.
    """
    folder = Path(os.environ.get("MLP_HOME") or (beside or Path()) / ".mlp").expanduser().resolve()
    unusable = unusable_in_path(folder, _ENDS_ADDRESS)
    if unusable is not None:
        raise MlpError(
            f"The platform cannot keep its state in {folder}: a database or a table below a folder with {unusable!r} "
            "in its name would lie elsewhere, or could not be read. Write MLP_HOME=/another/folder, or rename it."
        )
    return folder


def prepare_home() -> Path:
    """Creates the home with a Dagster instance in it, unless it exists."""
    folder = home()
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster" / "dagster.yaml"
    if not settings.exists():
        replace_text(settings, _DAGSTER_YAML.format(runs=_MOST_RUNS))
    return folder


def set_concurrent_runs(count: int) -> bool:
    """Lets ``count`` runs run at a time from the next start of Dagster on. False where the user changed the file."""
    settings = prepare_home() / "dagster" / "dagster.yaml"
    text, wanted = settings.read_text(), _DAGSTER_YAML.format(runs=count)
    written = [form.format(runs=runs) for form in (_DAGSTER_YAML, _EARLIER) for runs in range(1, _MOST_RUNS + 1)]
    if text not in written:
        return False
    if text != wanted:
        replace_text(settings, wanted)
    return True

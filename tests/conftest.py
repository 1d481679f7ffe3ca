"""Every test has a home of its own, and no settings of the machine's user."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.update(
    {"NML_DISABLE_USAGE_LOGGING": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The platform's home of the test."""
    for name in [name for name in os.environ if name.startswith(("MLP_", "DAGSTER_HOME"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("MLP_HOME", str(folder))
    return folder

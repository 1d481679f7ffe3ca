"""Homes that an earlier commit of this repository made, with its own code, in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlp_resources.environments.variables import users_variables
from tests.support.mlflow_store import empty_store

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "homes"


def make_home(commit: str, folder: Path) -> Path:
    """Runs ``tests/homes/make_COMMIT.py`` on the commit's code and returns the home; the package ``team`` lies beside.

    Skips the test where the repository's history does not reach back to the commit.
    """
    code = folder / "code"
    code.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"commit {commit} is not in this clone; fetch the whole history to run this test")
    subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
    team = folder / "team"
    team.mkdir()
    (team / "__init__.py").touch()
    shutil.copy(SCRIPTS / "team_project.py", team / "project.py")
    script = shutil.copy(SCRIPTS / f"make_{commit}.py", folder / "make.py")
    home = folder / "home"
    empty_store(home / "mlflow")  # the commit's code runs with today's MLflow, which would make the same tables
    search = os.pathsep.join([str(code), str(folder)])
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,  # `python -m` would find this commit's code in the working directory
        env=users_variables(os.environ)
        | {"MLP_HOME": str(home), "PYTHONPATH": search, "DAGSTER_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return home

"""Runs all services in a home of its own for the duration of one command."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from rich.console import Console

from mlp_assets.errors import MlpError
from mlp_assets.examples.rehearsal.retail_stream import RetailStream
from mlp_assets.examples.rehearsal.stages import Stages
from mlp_assets.local_platform.leftovers import mark
from mlp_assets.local_platform.memory_needs import DEMO, describe_memory, fit_runs
from mlp_assets.local_platform.memory_watch import MemoryWatch, printing
from mlp_assets.local_platform.services import Ports, services
from mlp_assets.local_platform.supervisor import Supervisor, single_instance
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.home import home
from mlp_resources.environments.settings import load_settings
from mlp_resources.environments.variables import use_home

_MARK = "made-by-demo"
_SENSOR_SECONDS = "3"


@contextlib.contextmanager
def running_platform(
    console: Console, command: str, *, share: float, fault: str
) -> Iterator[tuple[Stages, RetailStream, Ports]]:
    """Starts everything in an empty home, and ends it with the block. Raises MlpError when it cannot start."""
    console.print(describe_memory(command, DEMO), markup=False, highlight=False)
    ports, supervisor, stages = Ports.from_settings(load_settings()), Supervisor(), Stages(console)
    with single_instance(ports):
        _fresh_home()
        use_home({"MLP_RETAIL_FAULT": fault, "MLP_SENSOR_SECONDS": _SENSOR_SECONDS} | mark())
        console.print(fit_runs(), markup=False, highlight=False)
        with stages.progress, contextlib.ExitStack() as ending:
            ending.callback(supervisor.stop)
            ending.enter_context(MemoryWatch(printing(console), ports.dagster))
            with stages.stage("Starting Ray, MLflow and Dagster"):
                supervisor.start(services(ports, Path("workspace.yaml")))
            yield stages, RetailStream(configured_environment(), dg.DagsterInstance.get(), share), ports


def _fresh_home() -> None:
    """Empties the home, except for the lock of this platform. Raises MlpError when another command made the home."""
    folder = home()
    contents = [path for path in folder.iterdir() if path.name != "run"] if folder.exists() else []
    if contents and not (folder / _MARK).exists():
        raise MlpError(
            f"{folder} holds a platform that neither `mlp demo` nor `mlp replay` made, and they "
            "would delete it. Choose another directory: "
            "MLP_HOME=/tmp/mlp-demo make demo"
        )
    for path in contents:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()

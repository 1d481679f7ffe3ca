"""``mlp up``: the platform, until Ctrl-C."""

import contextlib
from pathlib import Path

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from mlp_assets.errors import MlpError
from mlp_assets.feature_store.workspace import locations_of
from mlp_assets.local_platform.code_locations import FIX, failed_locations
from mlp_assets.local_platform.memory_needs import PLATFORM, describe_memory, fit_runs
from mlp_assets.local_platform.memory_watch import MemoryWatch, printing
from mlp_assets.local_platform.services import Ports, services
from mlp_assets.local_platform.supervisor import Supervisor, single_instance
from mlp_resources.environments.configured import configured_environment
from mlp_resources.environments.home import home
from mlp_resources.environments.settings import load_settings
from mlp_resources.serving.ray_token import token_file


def run(workspace: Path, console: Console) -> None:
    """Starts all services, restores the endpoints, prints the URLs, and waits."""
    locations_of(workspace)  # Dagster tells what is wrong with the file seconds later, and with its own stack
    ports = Ports.from_settings(load_settings())
    supervisor, started = Supervisor(report=console.print), services(ports, workspace)
    console.print(describe_memory("mlp up", PLATFORM), markup=False, highlight=False)
    with single_instance(ports), MemoryWatch(printing(console), ports.dagster):
        try:
            console.print(fit_runs(), markup=False, highlight=False)
            with console.status("Starting Ray, MLflow and Dagster"):
                supervisor.start(started)
            _restore(console)
            console.print(_urls(ports))
            _print_failed(console, ports)
            with contextlib.suppress(KeyboardInterrupt):
                supervisor.watch()
        finally:
            with console.status("Stopping"):
                supervisor.stop()
            console.print("Stopped. `mlp up` starts it again; its state is kept.")


def _restore(console: Console) -> None:
    try:
        for name in configured_environment().serving.reconcile():
            console.print(f"endpoint {name} is live again")
    except MlpError as error:
        console.print(f"An endpoint was not restored: {error}", markup=False)


def _print_failed(console: Console, ports: Ports) -> None:
    with contextlib.suppress(httpx.HTTPError):
        for name, reason in failed_locations(ports.dagster).items():
            message = f"The code location {name} did not load: {reason}\n{FIX}"
            console.print(message, style="red", markup=False, highlight=False)


def _urls(ports: Ports) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_row("Dagster", f"http://127.0.0.1:{ports.dagster}", "assets, runs, sensors")
    table.add_row("MLflow", f"http://127.0.0.1:{ports.mlflow}", "experiments and registered models")
    table.add_row(
        "Ray",
        f"http://127.0.0.1:{ports.ray_dashboard}",
        f"endpoints and their replicas; its token: {token_file(home())}",
    )
    table.add_row("Endpoints", f"http://127.0.0.1:{ports.serve}", "<route>/docs says what to send")
    table.add_row("State", str(home()), "")
    return Panel(table, title="The platform is up", subtitle="Ctrl-C stops it", expand=False)

"""The ``mlp`` command."""

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    help="An asset-oriented ML platform on Dagster.", no_args_is_help=True, pretty_exceptions_enable=False
)
console = Console()
Workspace = Annotated[Path, typer.Option("--workspace", "-w", help="The workspace file that Dagster loads.")]


@app.command()
def init(name: Annotated[str, typer.Argument(help="Name of the project and its package, such as shop.")]) -> None:
    """Write a new project below this folder, with data and tests, and add it to workspace.yaml."""
    from mlp_assets.cli.init import run

    run(name, console)


@app.command()
def up(workspace: Workspace = Path("workspace.yaml")) -> None:
    """Start Dagster, MLflow and Ray, and stay until Ctrl-C."""
    from mlp_assets.cli.up import run

    run(workspace, console)


@app.command()
def down() -> None:
    """Stop what `mlp up` started."""
    from mlp_assets.local_platform.supervisor import stop_running

    console.print("Stopped." if stop_running() else "Nothing is running.")


@app.command()
def remove(endpoint: Annotated[str, typer.Argument(help="Its name, such as project.endpoint.")]) -> None:
    """Take an endpoint down that its project no longer has."""
    from mlp_resources.environments.configured import configured_environment

    configured_environment().serving.remove(endpoint)
    console.print(f"{endpoint} is down.", markup=False)


@app.command()
def doctor() -> None:
    """Check this installation, and print how to fix what is wrong."""
    from mlp_assets.cli.doctor import report

    raise typer.Exit(0 if report(console) else 1)


@app.command()
def features(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words to search for, or the name of one feature: PROJECT.VIEW.FEATURE.")
    ] = None,
    workspace: Workspace = Path("workspace.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """List and search the catalogue of features, or show one in full."""
    from mlp_assets.cli.features import report

    raise typer.Exit(0 if report(console, workspace, words or [], as_json=as_json) else 1)


@app.command()
def plan(
    workspace: Workspace = Path("workspace.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """Print what the project files as they are now would change, before anything runs."""
    from mlp_assets.cli.plan import report

    raise typer.Exit(0 if report(console, workspace, as_json=as_json) else 1)


@app.command()
def backfill(
    project: Annotated[str, typer.Argument(help="The name of the project.")],
    first: Annotated[
        str | None, typer.Option("--from", help="The first day, such as 2024-01-31. Default: the start of each source.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="The last day. Default: the last window that has ended.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also compute what is up to date.")] = False,
    workspace: Workspace = Path("workspace.yaml"),
) -> None:
    """Compute what is missing or stale of a project's sources and features, and publish them."""
    from mlp_assets.cli.backfill import Days, report

    raise typer.Exit(0 if report(console, workspace, project, Days(first, last, again=again)) else 1)


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(help="PROJECT/MODEL@VERSION, such as retail/repurchase@3.")],
    workspace: Workspace = Path("workspace.yaml"),
    tolerance: Annotated[
        float, typer.Option(min=0, help="Relative difference allowed in a metric where code or hardware differ.")
    ] = 0.01,
) -> None:
    """Train a registered version again from its recorded inputs, and print what differs."""
    from mlp_assets.cli.reproduce import report

    raise typer.Exit(0 if report(console, workspace, version, tolerance) else 1)


@app.command()
def demo() -> None:
    """Run the whole loop on ten weeks of real retail data."""
    from mlp_assets.examples.rehearsal.demo import run

    run(console)


@app.command()
def replay(
    share: Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the households that is replayed.")] = 1,
    fault: Annotated[str, typer.Option(help="A fault to plant in the data, such as GROCERY@2017-08-28.")] = "",
) -> None:
    """Replay the second half of the retail year, week by week, and score models and alarms on it."""
    from mlp_assets.examples.rehearsal.replay import run

    run(console, share=share, fault=fault)


@app.command()
def text() -> None:
    """Fine-tune a small sentence encoder on product texts: the text example."""
    from mlp_assets.examples.rehearsal.text import run

    run(console)


def main() -> None:
    """The entry point. An error is printed without a stack trace; an interrupt is silent."""
    signal.signal(signal.SIGTERM, _interrupted)
    started_at = time.time()
    threading.excepthook = _keep_trace_of_thread
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from mlp_assets.local_platform.failures import explain

        console.print(explain(error, started_at), style="red", markup=False, highlight=False)
        sys.exit(1)


def _keep_trace_of_thread(failure: threading.ExceptHookArgs) -> None:
    from mlp_assets.local_platform.failures import keep_trace

    keep_trace(failure.exc_value)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt

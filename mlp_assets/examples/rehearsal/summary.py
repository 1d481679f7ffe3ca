"""The summary that `mlp demo` prints."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from mlp_assets.examples.rehearsal.retail_stream import MODELS, RetailStream
from mlp_assets.examples.rehearsal.stages import Stages
from mlp_assets.examples.retail.project import project
from mlp_assets.local_platform.services import Ports
from mlp_resources.environments.home import home

if TYPE_CHECKING:
    from mlp_assets.examples.rehearsal.demo import Story


def print_summary(console: Console, story: "Story", stages: Stages, stream: RetailStream, ports: Ports) -> None:
    """Prints stages, models beside their baselines, one prediction, the alarm, the versions, and where to look."""
    console.print(stages_table(stages, stream))
    for model, _ in MODELS:
        console.print(_metrics(stream, f"{project.name}.{model.name}"))
    request, response = story.example
    console.print(
        Panel(escape(f"{json.dumps(request)}\n\n{json.dumps(response)}"), title="One prediction", expand=False)
    )
    versions = f"live before: version {story.before}   live now: version {story.after}"
    alarm = f"{story.alarm}\nepisode {story.episode}\n\n{versions}"
    console.print(Panel(escape(alarm), title="The alarm, and what followed", expand=False))
    where = Table.grid(padding=(0, 2))
    prefix = f"MLP_HOME={home()} " if home() != Path(".mlp").resolve() else ""
    where.add_row("start it again", f"{prefix}make up")
    where.add_row("lineage", f"http://127.0.0.1:{ports.dagster}/locations/retail/asset-groups/{project.name}")
    where.add_row("models", f"http://127.0.0.1:{ports.mlflow}")
    where.add_row("endpoint docs", f"http://127.0.0.1:{ports.serve}/repurchase_score/docs")
    where.add_row("state", str(home()))
    console.print(Panel(where, title="Where to look", expand=False))


def stages_table(stages: Stages, stream: RetailStream) -> Table:
    """The stages with their time and memory, and the counts of requests."""
    table = Table(title="What was built", show_edge=False)
    table.add_column("stage")
    for column in ("seconds", "peak GB"):
        table.add_column(column, justify="right")
    for stage in stages.finished:
        table.add_row(stage.name, f"{stage.seconds:.1f}", f"{stage.peak_gb:.2f}")
    table.add_row("all", f"{stages.total_seconds:.1f}", f"{stages.peak_gb:.2f}", style="bold")
    traffic = stream.traffic
    table.caption = (
        f"{len(project.specs)} specs; {traffic.requests:,} requests with {traffic.rows:,} rows for "
        f"{stream.share:.0%} of the households, {traffic.failed} failed"
    )
    return table


def _metrics(stream: RetailStream, name: str) -> Table:
    versions = stream.environment.registry.versions(name)
    table = Table(title=f"{name}: on weeks after its training data", show_edge=False)
    rows: dict[str, dict[str, Any]] = {}
    for version in versions:
        for who, values in json.loads(version.tags.get("mlp.compared", "{}")).items():
            rows[f"version {version.version}: {'the model' if who == 'candidate' else who}"] = values
    columns = list(dict.fromkeys(metric for values in rows.values() for metric in values))
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for who, values in rows.items():
        table.add_row(who, *(f"{values[column]:.4f}" for column in columns))
    return table

"""``mlp plan``: what the project files, as they are now, will do to what is there."""

import json
from collections import Counter
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlp_assets.feature_store.workspace import load_workspace
from mlp_assets.platform import Consequences, FeatureChange, plan_changes
from mlp_resources.environments.home import environment_variables, prepare_home

_MARKS = {"new": "[green]+[/]", "changed": "[yellow]~[/]", "removed": "[red]-[/]", "renamed": "[yellow]>[/]"}

_LIVE = (
    "A live endpoint looks up what changes. A view without a feature that is looked up is not published; one with "
    "another definition is, to a model that has not learned it. Train and deploy a model on the new features first."
)


def report(console: Console, workspace: Path, *, as_json: bool = False) -> bool:
    """Prints the consequences; False when something live uses what is removed, or a run would be refused."""
    loaded = load_workspace(workspace)
    prepare_home()
    with dg.DagsterInstance.from_config(environment_variables()["DAGSTER_HOME"]) as instance:
        found = plan_changes(*loaded.projects, instance=instance)
    if as_json:
        console.file.write(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n")
        return not found.breaks
    _print(console, found)
    for name, reason in loaded.failed.items():
        told = f"Code location {name} is left out: {reason}"
        console.print(told, style="yellow", markup=False, highlight=False)
    return not found.breaks


def _print(console: Console, found: Consequences) -> None:
    for told in found.refused:
        console.print(f"[red]refused[/] {escape(told)}", highlight=False)
    for view in dict.fromkeys(change.view for change in found.features):
        console.print(f"[bold]{view}[/]")
        console.print(_changes([change for change in found.features if change.view == view]))
    if found.stale:
        console.print("[bold]Becomes stale[/]")
        console.print(_stale(found))
    for asset in found.gone:
        console.print(f"{asset} is no longer declared; its table stays until you remove it.", highlight=False)
    kinds = Counter(change.kind for change in found.features)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none changed"
    console.print(f"Features: {counted}. Assets: {len(found.stale)} become stale.", highlight=False)
    if found.breaks and not found.refused:
        console.print(_LIVE, style="red", highlight=False)


def _changes(changes: list[FeatureChange]) -> Table:
    table = Table.grid(padding=(0, 2))
    for change in changes:
        used = f"live in {', '.join(change.endpoints)}" if change.endpoints else ""
        table.add_row(f" {_MARKS[change.kind]}", escape(change.name), change.kind, escape(_how(change)), used)
    return table


def _how(change: FeatureChange) -> str:
    match change.kind:
        case "new":
            return change.after or ""
        case "removed":
            return f"{change.before}; its column is dropped as partitions are computed again"
        case "renamed":
            return f"was {change.before}; partitions not computed again have nothing under the new name"
        case _:
            return f"{change.before}  →  {change.after}"


def _stale(found: Consequences) -> Table:
    table = Table.grid(padding=(0, 2))
    for stale in found.stale:
        many = f"{stale.partitions} partitions" if stale.partitions else ""
        table.add_row("", stale.asset, many, stale.because)
    return table

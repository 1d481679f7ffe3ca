"""``mlp plan``: what the project files as they are now would change in the platform."""

import json
from collections import Counter
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlp_assets.feature_store.workspace import load_workspace
from mlp_assets.platform import Consequences, FeatureChange, plan_changes
from mlp_resources.environments.home import prepare_home

_MARKS = {"new": "[green]+[/]", "changed": "[yellow]~[/]", "removed": "[red]-[/]", "renamed": "[yellow]>[/]"}

_LIVE = (
    "A live endpoint looks up a feature that changes. It goes on with the earlier definition until a model is promoted "
    "that was trained on the new one."
)


def report(console: Console, workspace: Path, *, as_json: bool = False) -> bool:
    """Prints the consequences.

    Returns:
        False when a live endpoint uses what changes, a run would be refused, or a code location does not load.
    """
    loaded = load_workspace(workspace)
    with dg.DagsterInstance.from_config(str(prepare_home() / "dagster")) as instance:
        plan = plan_changes(*loaded.projects, instance=instance)
    if as_json:
        facts = plan.as_json() | {"failed": dict(loaded.failed)}
        console.file.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return not plan.breaks and not loaded.failed
    _print(console, plan)
    for name, reason in loaded.failed.items():
        message = f"Code location {name} is left out: {reason}"
        console.print(message, style="red", markup=False, highlight=False)
    return not plan.breaks and not loaded.failed


def _print(console: Console, plan: Consequences) -> None:
    for reason in plan.refused:
        console.print(f"[red]refused[/] {escape(reason)}", highlight=False)
    for view in dict.fromkeys(change.view for change in plan.features):
        console.print(f"[bold]{view}[/]")
        console.print(_changes([change for change in plan.features if change.view == view]))
    if plan.stale:
        console.print("[bold]Becomes stale[/]")
        console.print(_stale(plan))
    if plan.new:
        console.print("[bold]Will be made[/]")
        console.print(_new(plan))
    for asset in plan.gone:
        console.print(f"{asset} is no longer declared; its table is kept until you remove it.", highlight=False)
    if plan.uncomputed:
        console.print(f"Never computed: {', '.join(plan.uncomputed)}. `mlp backfill` computes them.", highlight=False)
    kinds = Counter(change.kind for change in plan.features)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none changed"
    console.print(f"Features: {counted}. Assets: {len(plan.stale)} become stale.", highlight=False)
    if plan.breaks and not plan.refused:
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


def _new(plan: Consequences) -> Table:
    """The new assets by project and kind."""
    named: dict[str, list[str]] = {}
    for asset in plan.new:
        folder, _, name = asset.rpartition("/")
        named.setdefault(folder, []).append(name)
    table = Table.grid(padding=(0, 2))
    for folder, names in named.items():
        table.add_row(f" {_MARKS['new']}", escape(folder), escape(", ".join(names)))
    return table


def _stale(plan: Consequences) -> Table:
    table = Table.grid(padding=(0, 2))
    for stale in plan.stale:
        many = f"{stale.partitions} partitions" if stale.partitions else ""
        table.add_row("", stale.asset, many, stale.because)
    return table

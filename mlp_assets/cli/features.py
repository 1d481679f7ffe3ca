"""``mlp features``: the catalogue of the workspace's features: a list, a search, or one feature in full."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlp_assets.cli.feature_page import feature_page
from mlp_assets.cli.formatting import freshness, percent
from mlp_assets.feature_store.catalogue import CatalogueEntry, catalogue, closest, matching, named_exactly
from mlp_assets.feature_store.workspace import load_workspace
from mlp_assets.features.compute.lineage import formula
from mlp_assets.features.compute.statistics import sparkline
from mlp_resources.environments.configured import configured_environment

_WIDE, _MOST_USERS = 110, 32
_NO_USERS = "–"


def report(console: Console, workspace: Path, words: Sequence[str], *, as_json: bool = False) -> bool:
    """Prints the features that match. Returns False when none does.

    Raises:
        WorkspaceError: there is no workspace file, or it cannot be read.
    """
    loaded = load_workspace(workspace)
    known = catalogue(loaded.projects, configured_environment().lake, datetime.now(UTC))
    exact = named_exactly(known, words[0]) if len(words) == 1 else []
    matches = exact if len(exact) == 1 else matching(known, words)
    if as_json:
        document = {"features": [entry.as_json() for entry in matches], "not_loaded": dict(loaded.failed)}
        console.file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return bool(matches) or not words
    if matches:
        console.print(feature_page(matches[0])) if len(exact) == 1 else _print_list(console, matches)
    else:
        console.print(_no_match(known, words), markup=False, highlight=False)
    _print_failed(console, loaded.failed)
    return bool(matches) or not words


def _no_match(known: Sequence[CatalogueEntry], words: Sequence[str]) -> str:
    if not known:
        return "The workspace has no features yet."
    unmatched = next((word for word in words if not matching(known, [word])), None)
    if unmatched is None:
        return f"No feature is about {' and '.join(map(repr, words))} together. Leave one of them out."
    return f"No feature is about {unmatched!r}. {closest(known, unmatched)}"


def _print_failed(console: Console, failed: Mapping[str, str]) -> None:
    for name, reason in failed.items():
        message = f"Code location {name} is left out: {reason}"
        console.print(message, style="yellow", markup=False, highlight=False)


def _print_list(console: Console, entries: Sequence[CatalogueEntry]) -> None:
    """Prints one line per feature, below its view."""
    wide = console.width >= _WIDE
    longest = max(len(entry.name) for entry in entries)
    views = {id(entry.view): entry for entry in entries}
    for place, first in views.items():
        console.print(_heading(first), no_wrap=True, overflow="ellipsis", crop=True)
        console.print(_lines([entry for entry in entries if id(entry.view) == place], longest, wide=wide))
        console.print()
    many = f"{len(entries)} features" if len(entries) > 1 else "1 feature"
    console.print(f"[dim]{many}. `mlp features NAME` shows one in full.[/]", highlight=False)


def _heading(entry: CatalogueEntry) -> Text:
    view = entry.view
    heading = Text.assemble((f"{entry.project}.{view.name}", "bold"), f"  {', '.join(view.entity.keys)}  ")
    heading.append_text(freshness(entry))
    heading.append(f"  {view.owner or entry.owner}", "dim")
    return heading.append("  online" if view.online else "  not online", "dim")


def _lines(entries: Sequence[CatalogueEntry], longest: int, *, wide: bool) -> Table:
    table = Table(show_edge=False, box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="dim")
    bars = 20 if wide else 10
    table.add_column("  feature", width=longest + 2, no_wrap=True)
    table.add_column("missing", width=7, justify="right")
    table.add_column("values", width=bars, no_wrap=True)
    used_width = min(_MOST_USERS, max(len(_users(entry)) for entry in entries)) if wide else 0
    table.add_column("used by", width=max(7, used_width), no_wrap=True, overflow="ellipsis")
    table.add_column("what it is", ratio=1, no_wrap=True, overflow="ellipsis")
    for entry in entries:
        values = sparkline(entry.statistics["histogram"], bars) if entry.statistics is not None else ""
        used = (
            _users(entry) if wide else str(sum(len(names) for kind, names in entry.uses.items() if kind != "features"))
        )
        table.add_row(f"  {entry.name}", percent(entry.null_rate), Text(values, "cyan"), used, _what(entry))
    return table


def _what(entry: CatalogueEntry) -> Text:
    """The description, else the formula. Its owner stands before it where that is not the view's."""
    own = entry.view.about(entry.name).owner
    owned = (f"{own}: ", "bold") if own not in (None, entry.view.owner) else ""
    what = entry.description or (formula(entry.view, entry.name), "dim")
    return Text.assemble(owned, what)


def _users(entry: CatalogueEntry) -> str:
    """Endpoints that use it, else batch scores, models, training sets, or other features."""
    for kind in ("endpoints", "batch_scores", "models", "training_sets", "features"):
        if entry.uses[kind]:
            return ", ".join(name.removeprefix(f"{entry.project}.") for name in entry.uses[kind])
    return _NO_USERS

"""``mlp features``: the catalogue of the workspace's features, as a list or one in full."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlp_assets.cli.feature_page import in_full
from mlp_assets.cli.formatting import freshness, percent
from mlp_assets.feature_store.catalogue import CatalogueEntry, catalogue, closest, matching, named_exactly
from mlp_assets.feature_store.workspace import load_workspace
from mlp_assets.features.compute.statistics import sparkline
from mlp_assets.nouns.lineage import formula
from mlp_resources.environments.configured import configured_environment

_WIDE, _MOST_USERS = 110, 32
_NOBODY = "–"


def report(console: Console, workspace: Path, words: Sequence[str], *, as_json: bool = False) -> bool:
    """Prints what is found; False when nothing is.

    Raises:
        WorkspaceError: there is no workspace file, or it cannot be read.
    """
    loaded = load_workspace(workspace)
    known = catalogue(loaded.projects, configured_environment().lake, datetime.now(UTC))
    exact = named_exactly(known, words[0]) if len(words) == 1 else []
    found = exact if len(exact) == 1 else matching(known, words)
    if as_json:
        told = {"features": [one.as_json() for one in found], "not_loaded": dict(loaded.failed)}
        console.file.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return bool(found) or not words
    if found:
        console.print(in_full(found[0])) if len(exact) == 1 else _print_list(console, found)
    else:
        console.print(_nothing(known, words), markup=False, highlight=False)
    _print_failed(console, loaded.failed)
    return bool(found) or not words


def _nothing(known: Sequence[CatalogueEntry], words: Sequence[str]) -> str:
    if not known:
        return "The workspace has no features yet."
    strange = next((word for word in words if not matching(known, [word])), None)
    if strange is None:
        return f"No feature is about {' and '.join(map(repr, words))} together. Leave one of them out."
    return f"No feature is about {strange!r}. {closest(known, strange)}"


def _print_failed(console: Console, failed: Mapping[str, str]) -> None:
    for name, reason in failed.items():
        told = f"Code location {name} is left out: {reason}"
        console.print(told, style="yellow", markup=False, highlight=False)


def _print_list(console: Console, found: Sequence[CatalogueEntry]) -> None:
    """One line a feature, below its view."""
    wide = console.width >= _WIDE
    longest = max(len(one.name) for one in found)
    views = {id(one.view): one for one in found}
    for place, first in views.items():
        console.print(_heading(first), no_wrap=True, overflow="ellipsis", crop=True)
        console.print(_lines([one for one in found if id(one.view) == place], longest, wide=wide))
        console.print()
    many = f"{len(found)} features" if len(found) > 1 else "1 feature"
    console.print(f"[dim]{many}. `mlp features NAME` shows one in full.[/]", highlight=False)


def _heading(one: CatalogueEntry) -> Text:
    view = one.view
    heading = Text.assemble((f"{one.project}.{view.name}", "bold"), f"  {', '.join(view.entity.keys)}  ")
    heading.append_text(freshness(one))
    heading.append(f"  {view.owner or one.owner}", "dim")
    return heading.append("  online" if view.online else "  not online", "dim")


def _lines(found: Sequence[CatalogueEntry], longest: int, *, wide: bool) -> Table:
    table = Table(show_edge=False, box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="dim")
    bars = 20 if wide else 10
    table.add_column("  feature", width=longest + 2, no_wrap=True)
    table.add_column("missing", width=7, justify="right")
    table.add_column("values", width=bars, no_wrap=True)
    used_width = min(_MOST_USERS, max(len(_users(one)) for one in found)) if wide else 0
    table.add_column("used by", width=max(7, used_width), no_wrap=True, overflow="ellipsis")
    table.add_column("what it is", ratio=1, no_wrap=True, overflow="ellipsis")
    for one in found:
        values = sparkline(one.statistics["histogram"], bars) if one.statistics is not None else ""
        used = _users(one) if wide else str(sum(len(names) for kind, names in one.uses.items() if kind != "features"))
        table.add_row(f"  {one.name}", percent(one.null_rate), Text(values, "cyan"), used, _what(one))
    return table


def _what(one: CatalogueEntry) -> Text:
    """Its description, else its formula; after its owner, where that is not the view's."""
    own = one.view.about(one.name).owner
    owned = (f"{own}: ", "bold") if own not in (None, one.view.owner) else ""
    what = one.description or (formula(one.view, one.name), "dim")
    return Text.assemble(owned, what)


def _users(one: CatalogueEntry) -> str:
    """What stands last in its line of use: endpoints, else models, else training sets, else other features."""
    for kind in ("endpoints", "models", "training_sets", "features"):
        if one.uses[kind]:
            return ", ".join(name.removeprefix(f"{one.project}.") for name in one.uses[kind])
    return _NOBODY

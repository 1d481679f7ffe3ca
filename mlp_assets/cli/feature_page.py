"""One feature of the catalogue, with all that is known of it."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlp_assets.cli.formatting import freshness, number, percent
from mlp_assets.feature_store.catalogue import CatalogueEntry
from mlp_assets.features.compute.statistics import QUANTILES, ends
from mlp_assets.nouns.lineage import formula

_HEIGHT, _BAR = 5, 2
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def in_full(one: CatalogueEntry) -> RenderableType:
    """The facts as a grid, its values as a histogram."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, value in _facts(one):
        grid.add_row(name, value)
    return Group(Text(one.path, "bold"), Text(one.description), Text(""), grid, *_values(one))


def _facts(one: CatalogueEntry) -> Iterator[tuple[str, RenderableType]]:
    view, source = one.view, one.view.source
    yield "type", "Float64"
    yield "entity", f"{view.entity.name} ({', '.join(view.entity.keys)})"
    yield "formula", Text(formula(view, one.name))
    chain = f" (out of {view.root.name})" if view.root is not source else ""
    yield "made of", ", ".join(f"{source.name}.{column}" for column in one.columns) + chain
    if one.window is not None:
        yield "window", one.window
    yield "computed", f"every {view.every}"
    yield "TTL", view.ttl or "none: a row is used however old it is"
    yield "freshness", freshness(one).append(f", wanted within {view.fresh_within}" if view.fresh_within else "")
    yield "online", "yes" if view.online else "no"
    yield "owner", one.owner
    yield "tags", Text(", ".join(f"{key}={value}" for key, value in one.tags.items()) or "–")
    for kind, names in one.uses.items():
        yield kind.replace("_", " "), Text(", ".join(names) or "–")
    yield "missing", _missing(one)


def _missing(one: CatalogueEntry) -> str:
    found = one.statistics
    return f"{percent(one.null_rate)} of {found['rows']:,} rows" if found is not None else "not known yet"


def _values(one: CatalogueEntry) -> Iterator[RenderableType]:
    found = one.statistics
    if found is None or not found["histogram"]:
        return
    names = ("mean", "std", "minimum", *QUANTILES, "maximum")
    table = Table(show_edge=False, box=None, padding=(0, 1, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, justify="right")
    table.add_row(*(number(found[name]) for name in names))
    yield Text("")
    yield table
    yield Text("")
    yield Text("\n".join(_bars(found["histogram"])), "cyan")
    low, high = map(number, ends(found))
    yield Text(f"{low}{high:>{max(1, _BAR * len(found['histogram']) - len(low))}}", "dim")


def _bars(counts: list[int]) -> list[str]:
    """The histogram as lines of block letters, each bin two letters wide; a bin with any value shows."""
    eighths = [max(1, count * _HEIGHT * 8 // max(counts)) if count else 0 for count in counts]
    return [
        "".join(_EIGHTHS[min(8, max(0, bar - 8 * line))] * _BAR for bar in eighths).rstrip()
        for line in reversed(range(_HEIGHT))
    ]

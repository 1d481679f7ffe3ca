"""One feature of the catalogue in full."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlp_assets.cli.formatting import freshness, number, percent
from mlp_assets.feature_store.catalogue import CatalogueEntry
from mlp_assets.features.compute.lineage import formula
from mlp_assets.features.compute.statistics import QUANTILES, ends

_HEIGHT, _BAR = 5, 2
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def feature_page(entry: CatalogueEntry) -> RenderableType:
    """The facts of the feature as a grid, its values as a histogram."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, value in _facts(entry):
        grid.add_row(name, value)
    return Group(Text(entry.path, "bold"), Text(entry.description), Text(""), grid, *_values(entry))


def _facts(entry: CatalogueEntry) -> Iterator[tuple[str, RenderableType]]:
    view, source = entry.view, entry.view.source
    yield "type", "Float64"
    yield "entity", f"{view.entity.name} ({', '.join(view.entity.keys)})"
    yield "formula", Text(formula(view, entry.name))
    chain = f" (out of {view.root.name})" if view.root is not source else ""
    yield "made of", ", ".join(f"{source.name}.{column}" for column in entry.columns) + chain
    if entry.window is not None:
        yield "window", entry.window
    yield "computed", f"every {view.every}"
    yield "TTL", view.ttl or "none: rows of any age are used"
    yield "freshness", freshness(entry).append(f", wanted within {view.fresh_within}" if view.fresh_within else "")
    yield "online", "yes" if view.online else "no"
    yield "owner", entry.owner
    yield "tags", Text(", ".join(f"{key}={value}" for key, value in entry.tags.items()) or "–")
    for kind, names in entry.uses.items():
        yield kind.replace("_", " "), Text(", ".join(names) or "–")
    yield "missing", _missing(entry)


def _missing(entry: CatalogueEntry) -> str:
    statistics = entry.statistics
    return f"{percent(entry.null_rate)} of {statistics['rows']:,} rows" if statistics is not None else "not known yet"


def _values(entry: CatalogueEntry) -> Iterator[RenderableType]:
    statistics = entry.statistics
    if statistics is None or not statistics["histogram"]:
        return
    names = ("mean", "std", "minimum", *QUANTILES, "maximum")
    table = Table(show_edge=False, box=None, padding=(0, 1, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, justify="right")
    table.add_row(*(number(statistics[name]) for name in names))
    yield Text("")
    yield table
    yield Text("")
    yield Text("\n".join(_bars(statistics["histogram"])), "cyan")
    low, high = map(number, ends(statistics))
    yield Text(f"{low}{high:>{max(1, _BAR * len(statistics['histogram']) - len(low))}}", "dim")


def _bars(counts: list[int]) -> list[str]:
    """The histogram as lines of block characters, two per bin. A bin with any value is at least one eighth high."""
    eighths = [max(1, count * _HEIGHT * 8 // max(counts)) if count else 0 for count in counts]
    return [
        "".join(_EIGHTHS[min(8, max(0, bar - 8 * line))] * _BAR for bar in eighths).rstrip()
        for line in reversed(range(_HEIGHT))
    ]

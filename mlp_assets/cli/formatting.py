"""Formats facts for people."""

from rich.text import Text

from mlp_assets.feature_store.catalogue import CatalogueEntry

_SPANS = (("y", 31_557_600.0), ("d", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def span(seconds: float) -> str:
    """``3 d``, ``8.4 y``: the largest unit of which there is entry."""
    for unit, length in _SPANS:
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}" if unit == "y" else f"{seconds / length:.0f} {unit}"
    return "0 s"


def freshness(entry: CatalogueEntry) -> Text:
    """The age of the newest row, and whether it is within the view's ``fresh_within``."""
    seconds = entry.age_seconds
    if seconds is None:
        return Text("not computed yet", "yellow")
    age = f"newest row {span(seconds)} old"
    if entry.fresh is None:
        return Text(age)
    if entry.fresh:
        return Text(f"{age}, fresh", "green")
    return Text(f"{age}, stale", "red")


def percent(share: float | None) -> str:
    """A share as ``0.4 %``; one that is positive but rounds to zero, as ``<0.1 %``."""
    if share is None:
        return "–"
    return "<0.1 %" if 0 < share < 0.0005 else f"{share:.1%}".replace("%", " %") if share else "0 %"


def number(value: float | None) -> str:
    """Four significant digits; a dash for None."""
    return "–" if value is None else f"{value:.4g}"


def count(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"

"""The picture of a view: a small histogram of each of its features."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlp_assets.features.compute.statistics import ends, null_rate
from mlp_assets.metrics.figures import png

_LINE, _GREY = "#0b6bcb", "#5b6575"
_COLUMNS, _MOST, _LONGEST = 4, 24, 27


def features_picture(found: Sequence[Mapping[str, Any]]) -> bytes:
    """Histograms of the features (the first 24), with the share of missing values, as PNG bytes.

    Args:
        found: statistics of features, a mapping each with the keys of ``statistics.SCHEMA``.
    """
    from matplotlib.figure import Figure

    shown = found[:_MOST]
    columns = min(_COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    figure: Any = Figure(figsize=(2.3 * columns, 1.35 * lines + 0.1), dpi=80, layout="constrained")
    for place, one in enumerate(shown):
        _small(figure.add_subplot(lines, columns, place + 1), one)
    return png(figure)


def _small(axis: Any, one: Mapping[str, Any]) -> None:
    missing = null_rate(one)
    name = one["feature"]
    axis.set_title(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…", fontsize=8, loc="left", pad=10)
    told = "no rows" if missing is None else f"{missing:.1%} missing" if missing else "none missing"
    axis.text(0, 1.02, told, transform=axis.transAxes, fontsize=6.5, color=_GREY)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_yticks([])
    axis.tick_params(axis="x", labelsize=6.5, colors=_GREY, length=2)
    axis.set_xticks([])
    bins = one["histogram"]
    if bins:
        # In places, not values: matplotlib cannot find ticks for all numbers that there are.
        axis.bar(range(len(bins)), bins, 1.0, align="edge", color=_LINE)
        first, last = axis.set_xticks([0, len(bins)], [f"{end:.4g}" for end in ends(one)])
        first.label1.set_horizontalalignment("left")
        last.label1.set_horizontalalignment("right")

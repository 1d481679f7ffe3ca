"""Draws a view: a small histogram of each of its features."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlp_assets.features.compute.statistics import ends, null_rate
from mlp_assets.metrics.figures import png

_LINE, _GREY = "#0b6bcb", "#5b6575"
_COLUMNS, _MAX_FEATURES, _MAX_TITLE = 4, 24, 27


def features_picture(features: Sequence[Mapping[str, Any]]) -> bytes:
    """Histograms of the first 24 features with their shares of missing values, as PNG bytes.

    Args:
        features: the statistics of each feature, with the keys of ``statistics.SCHEMA``.
    """
    from matplotlib.figure import Figure

    shown = features[:_MAX_FEATURES]
    columns = min(_COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    figure: Any = Figure(figsize=(2.3 * columns, 1.35 * lines + 0.1), dpi=80, layout="constrained")
    for place, feature in enumerate(shown):
        _draw(figure.add_subplot(lines, columns, place + 1), feature)
    return png(figure)


def _draw(axis: Any, feature: Mapping[str, Any]) -> None:
    missing = null_rate(feature)
    name = feature["feature"]
    axis.set_title(name if len(name) <= _MAX_TITLE else f"{name[: _MAX_TITLE - 1]}…", fontsize=8, loc="left", pad=10)
    note = "no rows" if missing is None else f"{missing:.1%} missing" if missing else "none missing"
    axis.text(0, 1.02, note, transform=axis.transAxes, fontsize=6.5, color=_GREY)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_yticks([])
    axis.tick_params(axis="x", labelsize=6.5, colors=_GREY, length=2)
    axis.set_xticks([])
    bins = feature["histogram"]
    if bins:
        # Drawn by bin number, not by value: matplotlib cannot place ticks for every range of floats.
        axis.bar(range(len(bins)), bins, 1.0, align="edge", color=_LINE)
        first, last = axis.set_xticks([0, len(bins)], [f"{end:.4g}" for end in ends(feature)])
        first.label1.set_horizontalalignment("left")
        last.label1.set_horizontalalignment("right")

"""Pictures of a monitor's figures and alarms, as PNG bytes of well under 50 kB."""

import polars as pl

from mlp_assets.metrics.figures import axes, png

_LINE, _BAND, _ALARM = "#0b6bcb", "#dce8f6", "#d1343b"
_COLOURS = {True: _ALARM, False: _BAND, None: "#c8ccd2"}


def drift_picture(rows: pl.DataFrame) -> bytes:
    """Features by windows; the darker a cell, the further the feature is over its limit."""
    shown = rows.filter(pl.col("method") == "jensen_shannon").with_columns(excess=pl.col("value") / pl.col("upper"))
    grid = shown.pivot("window", index="feature", values="excess", sort_columns=True).sort("feature")
    windows = [name for name in grid.columns if name != "feature"]
    figure, (axis,) = axes(max(5.0, 0.34 * len(windows) + 2.6), max(2.2, 0.19 * grid.height + 1.0))
    image = axis.imshow(grid.select(windows).to_numpy(), aspect="auto", cmap="OrRd", vmin=0, vmax=3)
    axis.set_yticks(range(grid.height), grid["feature"].to_list(), fontsize=7)
    axis.set_xticks(range(len(windows)), [window[5:] for window in windows], rotation=90, fontsize=7)
    axis.set_title("drift, as a multiple of each feature's limit", fontsize=9, loc="left")
    figure.colorbar(image, ax=axis, fraction=0.03)
    return png(figure)


def performance_picture(rows: pl.DataFrame, method: str) -> bytes:
    """A metric by window, with the band of the reference."""
    shown = rows.filter(pl.col("method") == method).sort("window")
    figure, (axis,) = axes(6.4, 2.8)
    places = range(shown.height)
    if shown.height:
        axis.axhspan(shown["lower"][0], shown["upper"][0], color=_BAND, label="band of the reference")
        axis.plot(places, shown["value"].to_list(), color=_LINE, marker="o", ms=3, label=method.replace("_", " "))
        exceeded = [place for place in places if shown["exceeded"][place]]
        axis.plot(exceeded, [shown["value"][place] for place in exceeded], "o", color=_ALARM, ms=5, label="outside")
    axis.set_xticks(places, [window[5:] for window in shown["window"]], rotation=90, fontsize=7)
    axis.set_title(method.replace("_", " ") + " by window", fontsize=9, loc="left")
    axis.legend(frameon=False, fontsize=7, loc="best")
    return png(figure)


def alarms_picture(table: pl.DataFrame) -> bytes:
    """Each window as a block, coloured by its state, with the version that served it."""
    figure, (axis,) = axes(max(5.0, 0.34 * table.height + 1.6), 1.5)
    axis.bar(range(table.height), 1, width=0.92, color=[_COLOURS[alarm] for alarm in table["alarm"]])
    changed = table["model_version"].ne_missing(table["model_version"].shift()).to_list()
    for place in [place for place, new in enumerate(changed) if new]:
        axis.text(place - 0.4, 1.06, f"version {table['model_version'][place]}", fontsize=7)
    axis.set_xticks(range(table.height), [window[5:] for window in table["window"]], rotation=90, fontsize=7)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_title("alarms by window (red; grey: insufficient data)", fontsize=9, loc="left", pad=14)
    return png(figure)

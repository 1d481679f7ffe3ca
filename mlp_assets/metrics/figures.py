"""Matplotlib figures without the upper and right frame, and their PNG bytes."""

import io
from typing import Any


def axes(width: float, height: float, count: int = 1) -> tuple[Any, list[Any]]:
    """A figure of ``width`` × ``height`` inches with ``count`` axes side by side."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height), dpi=80, layout="constrained")
    subplots = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for axis in subplots:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, subplots


def png(figure: Any) -> bytes:
    """The figure's PNG, well under 50 kB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)  # figure.savefig would draw twice
    return buffer.getvalue()

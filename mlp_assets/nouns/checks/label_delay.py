"""Checks that labels become known early enough for a split by time."""

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.source import Source


def delay_problems(where: str, labels: Source, validation: str) -> list[Problem]:
    """Rows whose label is not known when the next part begins are left out, and a long delay leaves out all of them."""
    delay = labels.delay
    wrong = texts.duration_problems(where, "delay", delay) + texts.duration_problems(where, "validation", validation)
    if wrong or delay is None or texts.duration(delay) <= texts.duration(validation):
        return []
    what = (
        f"its labels become known {delay} after their time, and the part validation={validation!r} is shorter: none of "
        "its rows would have a label when the test part begins"
    )
    fix = f"Write split=mlp.SplitByTime(validation={delay!r}, ...) or longer, or a shorter delay in {labels.where}."
    return [Problem(where, what, fix)]

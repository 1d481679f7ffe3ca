"""The days of a backfill: what ``--from`` and ``--to`` say, checked against the history of the project's sources."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from mlp_assets.errors import MlpError
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source, Window
from mlp_assets.orchestration.partitions import Windows, windows_until

_DAY = timedelta(days=1)


class SpanError(MlpError):
    """The days of a backfill cannot be computed."""


@dataclass(frozen=True)
class Span:
    """From the midnight at which the first day begins to the one at which the last day ends; None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def within(self, grid: Windows) -> Window | None:
        """The span, widened to whole partitions of a source.

        Args:
            grid: the source's partitions.
        """
        inside = [
            window
            for _, window in grid
            if (self.start is None or window.end > self.start) and (self.end is None or window.start < self.end)
        ]
        return Window(inside[0].start, inside[-1].end) if inside else None


def roots_of(project: Project) -> list[Source]:
    """The sources that decide on the partitions of the project's own sources and views, each once."""
    own = [source for source in project.sources if source.ingested]
    return list({id(root): root for root in [*own, *(view.root for view in project.feature_views)]}.values())


def read_span(project: Project, first: str | None, last: str | None, now: datetime) -> Span:
    """The span from the day ``first`` to the day ``last``, both included.

    Raises:
        SpanError: a day is misspelled, lies outside of the history, or the first one is after the last one.
    """
    start, end = _day("--from", first), _day("--to", last)
    if start is not None and end is not None and start > end:
        raise SpanError(f"--from {first} is after --to {last}, so no day lies between them. Exchange the two.")
    ended = {root: windows_until(root, root.every, now) for root in roots_of(project)}
    ended = {root: windows for root, windows in ended.items() if windows}
    if not ended:
        raise SpanError(f"Project {project.name!r} has no source with a window that has ended, so nothing to compute.")
    oldest = min(ended, key=lambda root: ended[root][0][1].start)
    newest = max(ended, key=lambda root: ended[root][-1][1].end)
    begin, over = ended[oldest][0][1].start, ended[newest][-1][1].end
    for option, given in (("--from", start), ("--to", end)):
        if given is not None and given < begin:
            raise SpanError(_outside(option, given, "before the history", f"{oldest.where} begins", begin))
        if given is not None and given >= over:
            where = "after the last window that has ended"
            raise SpanError(_outside(option, given, where, f"{newest.where} ends", over - _DAY))
    return Span(start, None if end is None else end + _DAY)


def _day(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise SpanError(f"{option} {text!r} is not a day. Write it as in {option} 2024-01-31.") from None


def _outside(option: str, given: datetime, where: str, bound: str, day: datetime) -> str:
    return (
        f"{option} {given:%Y-%m-%d} is {where}: {bound} on {day:%Y-%m-%d}. Write {option} {day:%Y-%m-%d}, "
        "or leave it out."
    )

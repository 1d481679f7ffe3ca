"""Cadences: their moments, the sources and views of a project that one scheduled job computes, and when it runs.

The moments of a cadence are ``start + every``, ``start + 2 * every`` and so on. Each ends a step of the length
``every``. A table has partitions of a day, or of a week if the cadence is whole weeks, so that there are at most 365 a
year. A partition holds the moments after its start, up to its end: 24 of a cadence of an hour, and one or none of a
cadence of two days.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source, Window

_AFTER_OTHER_JOBS, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
_Span = tuple[timedelta, datetime, datetime | None]


@dataclass(frozen=True)
class Moments:
    """The moments of a cadence.

    Args:
        start: the beginning of the first step, and of the first partition.
        every: the length of a step.
    """

    start: datetime
    every: timedelta

    @classmethod
    def of(cls, rows: ViewInput) -> "Moments":
        """The moments of a view, or the ends of the steps by which a source is ingested."""
        return cls(moment(rows.root.start), duration(rows.every))

    @property
    def partition(self) -> timedelta:
        """The length of a partition."""
        return WEEK if self.every % WEEK == timedelta(0) else DAY

    @property
    def shorter_than_a_day(self) -> bool:
        """Whether a partition holds several moments, so that the newest one is in progress."""
        return self.every < DAY

    def floor(self, time: datetime) -> datetime:
        """The last end of a step that is not after ``time``."""
        return self.start + (time - self.start) // self.every * self.every

    def within(self, window: Window) -> list[datetime]:
        """The moments after the start of a window, up to its end."""
        first = max(0, (window.start - self.start) // self.every) + 1
        last = (window.end - self.start) // self.every
        return [self.start + number * self.every for number in range(first, last + 1)]

    def step(self, at: datetime) -> Window:
        """The step that ends at a moment."""
        return Window(at - self.every, at)

    def named(self, name: str) -> Window:
        """The window of a partition with this name, the day on which it begins."""
        return Window(moment(name), moment(name) + self.partition)

    def names(self, rows: ViewInput, at: datetime) -> list[str]:
        """The names of the partitions that hold what belongs to a moment.

        For a source, these are all partitions of the step that ends then. For a view, it is the one with the moment.
        """
        begin = at - (self.every if isinstance(rows, Source) else timedelta(microseconds=1))
        first, last = ((time - self.start) // self.partition for time in (begin, at - timedelta(microseconds=1)))
        return [f"{self.start + number * self.partition:%Y-%m-%d}" for number in range(first, last + 1)]


@dataclass
class Cadence:
    """The sources and views of a project that have the same moments.

    Args:
        every: the length of a step.
        start: the beginning of the first step.
        end: the end of the history; None if rows keep coming.
        writes: the sources and views that its job computes.
        reads: what these read.
    """

    every: timedelta
    start: datetime
    end: datetime | None
    writes: list[ViewInput] = field(default_factory=list[ViewInput])
    reads: list[ViewInput] = field(default_factory=list[ViewInput])

    @property
    def waits(self) -> bool:
        """Whether it reads rows that another job, or somebody else, writes first."""
        return any(all(source is not written for written in self.writes) for source in self.reads)

    @property
    def run_after(self) -> timedelta:
        """How long after the end of a step its job runs: whole minutes, at most a twelfth of a step that is shorter
        than a day. A step of a few minutes waits for one minute.
        """
        if not self.waits:
            return timedelta(0)
        return max(_MINUTE, min(_AFTER_OTHER_JOBS, self.every // 12 // _MINUTE * _MINUTE))


def cadences_of(project: Project) -> list[Cadence]:
    """The cadences of the project's own sources and views, in order of their first use."""
    cadences: dict[_Span, Cadence] = {}
    written: list[ViewInput] = [source for source in project.sources if source.ingested]
    for rows in [*written, *project.feature_views]:
        span = span_of(rows)
        cadence = cadences.setdefault(span, Cadence(*span))
        cadence.writes.append(rows)
        cadence.reads += rows.inputs if isinstance(rows, Source) else [rows.source]
    return list(cadences.values())


@lru_cache(maxsize=1024)  # asked for each row of a leak check
def cadence_of(project: Project, rows: ViewInput) -> Cadence:
    """The cadence whose job computes a view or an ingested source, in the project that owns it."""
    for cadence in cadences_of(project.home_of(rows)):
        if any(rows is written for written in cadence.writes):
            return cadence
    span = span_of(rows)  # a view that the project does not reach, as in a test
    return Cadence(*span, [rows], [rows.source] if isinstance(rows, FeatureView) else [])


def span_of(rows: ViewInput) -> _Span:
    """(length of a step, beginning of the first, end of the last) of the cadence of a source or view."""
    root = rows.root
    return duration(rows.every), moment(root.start), moment(root.end) if root.end else None

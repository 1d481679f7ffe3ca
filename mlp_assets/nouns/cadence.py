"""Cadences: the sources and views of a project that one scheduled job computes, and when that job runs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source

_AFTER_OTHER_JOBS = timedelta(hours=1)
_Span = tuple[timedelta, datetime, datetime | None]


@dataclass
class Cadence:
    """The sources and views of a project that have the same partitions.

    Args:
        every: the length of a partition.
        start: the beginning of the first partition.
        end: the end of the last partition; None if rows keep coming.
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
        """How long after the end of a partition its job runs."""
        return _AFTER_OTHER_JOBS if self.waits else timedelta(0)


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
    """(length of a partition, beginning of the first, end of the last) of the table of a source or view."""
    root = rows.root
    return duration(rows.every), moment(root.start), moment(root.end) if root.end else None

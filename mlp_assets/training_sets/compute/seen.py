"""Whether a request had a feature row, decided a second way: plain Python, one row at a time, for the leak check.

It shares only the nouns with ``tables/visibility``, ``tables/declared_visibility`` and ``publications``, so that a
fault there shows as a difference here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlp_assets.nouns.cadence import Cadence, cadence_of
from mlp_assets.nouns.feature_view import FeatureView, ViewInput
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import Availability


@dataclass(frozen=True)
class Published:
    """A finished publication: when requests saw it, until when it was known, and the spans of its moments."""

    visible: datetime
    known_until: datetime
    spans: Sequence[tuple[datetime, datetime]]


@dataclass(frozen=True)
class Seen:
    """What requests to a view had.

    Args:
        since: when the record of publications begins; None if there is none.
    """

    project: Project
    view: FeatureView
    availability: Availability
    since: datetime | None = None
    publications: Sequence[Published] = ()

    def had(self, moment: datetime, known: datetime, at: datetime) -> bool:
        """Whether a request at ``at`` had the row of the moment, in the version that was known at ``known``."""
        if self.availability == "known":
            return moment <= at and known <= at
        run = _computed(self.project, self.view, moment, max(known, moment))
        declared = run + self.view.publish_delay_length
        if self.since is None or declared < self.since:
            return declared <= at
        return any(
            published.visible <= at
            and known <= published.known_until
            and any(first <= moment <= last for first, last in published.spans)
            for published in self.publications
        )


def _computed(project: Project, rows: ViewInput, moment: datetime, known: datetime) -> datetime:
    """The start of the run after which a table holds a moment, in the version that was known at ``known``."""
    cadence = cadence_of(project, rows)
    if isinstance(rows, Source):
        end = _boundary(cadence, moment, timedelta(0))
        while known > moment and (end < known or (end == known and not rows.live)):
            end += cadence.every
        return end + cadence.run_after
    own = _boundary(cadence, moment, timedelta(0))
    if rows.publish == "on_arrival":
        return max(known, _boundary(cadence, own, cadence.run_after))
    run = _boundary(cadence, max(own, known) if known > moment else own, cadence.run_after)
    if isinstance(rows.source, Source) and not rows.source.ingested:
        return run
    below = _computed(project, rows.source, own if known == moment else moment, known if known > moment else own)
    if any(rows.source is written for written in cadence.writes):
        return max(run, below)
    run = max(run, _boundary(cadence, below, cadence.run_after))
    return run if run > below else run + cadence.every


def _boundary(cadence: Cadence, time: datetime, after: timedelta) -> datetime:
    """The first ``after`` the end of a partition that is not before ``time``."""
    first = cadence.start + after
    return first + -(-(time - first) // cadence.every) * cadence.every

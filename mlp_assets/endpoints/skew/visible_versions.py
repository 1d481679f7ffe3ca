"""Whether predictions read the publications that should have been visible when they were answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlp_assets.publications.record import Publication

LEEWAY = timedelta(seconds=30)
"""A request may be answered this long after its look-up, or by a clock that is as much ahead."""


@dataclass(frozen=True)
class OtherVersion:
    """A prediction that read another version of a view than the one that should have been visible.

    Args:
        expected: the version that should have been visible; None if nothing was published by then.
    """

    view: str
    requested_at: datetime
    logged: int
    expected: int | None


def publications_since(history: Sequence[Publication], time: datetime) -> Sequence[Publication]:
    """The publications that requests answered at the time or later may have read."""
    replaced = _replaced_before(history, time)
    return history if replaced is None else [each for each in history if each.begun >= replaced]


def find_other_version(
    view: str, history: Sequence[Publication], logged: int, requested_at: datetime
) -> OtherVersion | None:
    """The difference between a logged version and the record of publications; None if they agree.

    Args:
        history: the publications of the view in the order in which they began. Nothing is judged before the first.
    """
    earlier = [each for each in history if _visible_by(each, requested_at)]
    if not history or requested_at < history[0].begun:
        return None
    replaced = _replaced_before(history, requested_at)
    allowed = {
        each.table_version
        for each in history
        if each.outcome != "failed"
        and each.begun <= requested_at + LEEWAY
        and (replaced is None or each.begun >= replaced)
    }
    if logged in allowed or (replaced is None and not _published(history, logged)):
        return None  # before the first publication of the record, an unrecorded one may be online
    return OtherVersion(view, requested_at, logged, earlier[-1].table_version if earlier else None)


def _replaced_before(history: Sequence[Publication], requested_at: datetime) -> datetime | None:
    """When the newest publication began that every look-up must have seen; None if there is none."""
    return max((each.begun for each in history if _visible_by(each, requested_at - LEEWAY)), default=None)


def _visible_by(publication: Publication, time: datetime) -> bool:
    return publication.visible is not None and publication.visible <= time


def _published(history: Sequence[Publication], version: int) -> bool:
    return any(each.table_version == version for each in history)

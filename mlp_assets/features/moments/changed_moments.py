"""The note of a write on the first moment of which it changed a row, and what the notes of several writes say."""

from datetime import datetime

from mlp_resources.ports.lake import Lake, Table

NOTE = "changed_from"
_MOST_COMMITS = 16


def changed_from_note(first: datetime | None) -> dict[str, str]:
    """The note to leave with a write.

    Args:
        first: the first moment of which the write may change a row; None if it changes none.
    """
    return {NOTE: first.isoformat() if first is not None else ""}


def changed_from(lake: Lake, table: Table, before: int, now: int, default: datetime) -> datetime | None:
    """The first moment of which the commits between two versions of a table may have changed a row.

    Args:
        default: the moment if none is earlier.

    Returns:
        None if the notes do not tell: another tool or an earlier release wrote, or there were many commits.
    """
    if not 0 <= now - before <= _MOST_COMMITS:
        return None
    notes = lake.notes_between(table, before, now)
    if notes is None or any(NOTE not in each for each in notes):
        return None
    return min([default, *(datetime.fromisoformat(each[NOTE]) for each in notes if each[NOTE])])

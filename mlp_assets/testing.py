"""The test kit: features and training sets of frames that you write, by the platform's own code and without Dagster.

    from datetime import datetime
    from mlp_assets import testing

    orders = {"user_id": [7, 7], "amount": [3.0, 4.0], "ordered_at": [datetime(2024, 3, 4, 9), datetime(2024, 3, 6)]}
    testing.features(spending, orders, at="2024-03-11")    # user_id, at, spend_28d: what is known of user 7 by then

Rows are those that a source delivers: a dictionary of columns, or a Polars frame, with the columns that the source
declares. A time without a zone counts as UTC. What is wrong with them is told in the platform's own words.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import polars as pl

from mlp_assets.errors import MlpError
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.tables.as_of_join import FeatureTable, join_as_known
from mlp_assets.tables.events import UTC_TIME, as_declared, as_events
from mlp_assets.training_sets.compute.training_rows import training_rows

Rows = pl.DataFrame | pl.LazyFrame | Mapping[str, Any]
# Rows of one source, or of each source (or view) by the object itself.
Given = Rows | Mapping[Source | FeatureView, Rows]
Times = str | datetime | Sequence[str | datetime]


class KitError(MlpError):
    """A test gives the kit something that it cannot compute from."""


def table(view: FeatureView, rows: Given, *, until: str | datetime | None = None) -> pl.DataFrame:
    """The table that the platform would write for the view.

    Args:
        view: what to compute.
        rows: the rows of its source; for a view over a view those of the source at the end of the chain. Or a mapping
            from the source, or from a view of the chain, to its rows.
        until: the last moment; by default the first of the cadence after the newest event.

    Returns:
        One row, or several versions of it, for each moment of the cadence and each entity: keys, ``event_time`` (the
        moment), ``known_at``, the features. Moments are counted from the ``start`` of the source: weeks begin on its
        weekday.

    Raises:
        MlpError: the view cannot work, or the rows do not have the columns that it reads.
    """
    _check(view)
    return _table(view, _by_rows(view, rows), _time("until", until) if until is not None else None)


def features(view: FeatureView, rows: Given, *, at: Times, entities: Rows | None = None) -> pl.DataFrame:
    """The features as a training row, or a request, of each of the times sees them.

    That is: the newest row of the cadence whose moment has come and that is known by then, unless it is past its TTL.

    Args:
        view, rows: as for ``table``.
        at: one time or several: ISO texts or datetimes.
        entities: the key columns of those to look up; by default all that the rows have.

    Returns:
        One row for each time and entity: keys, ``at``, the features; sorted by time and key.

    Raises:
        MlpError: as for ``table``.
    """
    _check(view)
    given, keys = _by_rows(view, rows), list(view.entity.keys)
    times = [_time("at", time) for time in ([at] if isinstance(at, str | datetime) else at)]
    if not times:
        raise KitError("at=[] asks for no time. Write at='2024-03-11', say.")
    made = _table(view, given, max(times))
    wanted = _keys(view, entities, given).join(pl.DataFrame({"at": times}, schema={"at": UTC_TIME}), how="cross")
    return join_as_known(wanted.lazy(), "at", [_feature_table(view, made)]).collect().sort("at", *keys)


def training_set(spec: TrainingSet, labels: Rows, rows: Given, *, split: bool = True) -> pl.DataFrame:
    """The table that the platform would write for the training set.

    Args:
        spec: what to compute.
        labels: the rows of its labels.
        rows: the rows of the source of its views; a mapping from each source (or view) to its rows, where there are
            several.
        split: False leaves the column ``split`` out, and keeps all rows: for frames too small to divide.

    Returns:
        Keys, ``at``, ``known_at``, features, target, ``split``; sorted by time and key.

    Raises:
        NothingToTrainError: a part of the split has no rows.
        MlpError: the training set cannot work, or rows do not have the columns that it reads.
    """
    _check(spec)
    known = as_declared(spec.labels, _frame(labels, spec.labels).lazy()).collect()
    last = known[spec.labels.event_time].max()
    until = last if isinstance(last, datetime) else None
    tables = [_feature_table(view, _table(view, _by_rows(view, rows), until)) for view in spec.features]
    return training_rows(spec, known.lazy(), tables, split=split)


def _check(spec: FeatureView | TrainingSet) -> None:
    """Raises ProjectError for a spec that no project could have."""
    Project("under_test", owner="team:under_test", assets=[spec])


def _time(field: str, given: str | datetime) -> datetime:
    try:
        return texts.moment(given if isinstance(given, str) else given.isoformat())
    except (AttributeError, TypeError, ValueError):
        raise KitError(f"{field}={given!r} is no time. Write '2024-03-11', '2024-03-11T09:30' or a datetime.") from None


def _chain(view: FeatureView) -> list[Source | FeatureView]:
    """The view and what it is made of, to its source."""
    below = view.source
    return [view, *(_chain(below) if isinstance(below, FeatureView) else [below])]


def _by_rows(view: FeatureView, rows: Given) -> dict[Source | FeatureView, Rows]:
    """What is given of the view's chain. Raises KitError when that is nothing."""
    if not isinstance(rows, Mapping) or all(isinstance(key, str) for key in rows):
        return {view.root: cast("Rows", rows)}
    given = cast("Mapping[Source | FeatureView, Rows]", rows)
    found = {link: given[link] for link in _chain(view) if link in given}
    if not found:
        listed = ", ".join(getattr(key, "where", repr(key)) for key in given)
        raise KitError(
            f"{view.where} is made of {view.root.where}, and rows are given of {listed}. Write rows={{source: frame}} "
            "with the object that the view has as its source."
        )
    return found


def _frame(rows: Rows, of: Source | FeatureView) -> pl.DataFrame:
    if isinstance(rows, pl.LazyFrame):
        return rows.collect()
    if isinstance(rows, pl.DataFrame):
        return rows
    try:
        made = pl.DataFrame(dict(rows))
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise KitError(f"The rows of {of.where} make no table: {error}. Write a list for each column.") from None
    # A list of nothing, or of None alone, has no type of its own.
    empty = [name for name, dtype in made.schema.items() if dtype == pl.Null and name in of.columns]
    return made.with_columns(pl.col(name).cast(of.columns[name]) for name in empty)


def _table(view: FeatureView, given: Mapping[Source | FeatureView, Rows], until: datetime | None) -> pl.DataFrame:
    if view in given:
        return _stored(view, _frame(given[view], view))
    events = _events(view, given, until)
    moments = _moments(view, events, until)
    if not moments:
        times = {"event_time": UTC_TIME, "known_at": UTC_TIME}
        keys = {key: events.schema[key] for key in view.entity.keys}
        return pl.DataFrame(schema={**keys, **times, **dict.fromkeys(view.feature_names, pl.Float64)})
    return feature_rows(view, events.lazy(), moments)


def _events(view: FeatureView, given: Mapping[Source | FeatureView, Rows], until: datetime | None) -> pl.DataFrame:
    below = view.source
    if isinstance(below, FeatureView):
        return as_events(below, _table(below, given, until).lazy()).collect()
    events = as_events(below, _frame(given[below], below).lazy()).collect()
    early = events.filter(pl.col(below.event_time) < texts.moment(below.start)) if below.ingested else events.clear()
    if early.height:
        raise KitError(
            f"{below.where}: {early.height} of {events.height} rows happened before start={below.start!r}, from when "
            f"on it is ingested; the first at {early[below.event_time].min()}. Write later times, or an earlier start."
        )
    return events


def _moments(view: FeatureView, events: pl.DataFrame, until: datetime | None) -> list[datetime]:
    """The moments of the cadence at which the events can be seen."""
    start, step, far = texts.moment(view.root.start), texts.duration(view.every), view.reach
    first, newest = (
        cast("datetime | None", events[view.source.event_time].min()),
        events[view.source.event_time].max(),
    )
    if first is None or not isinstance(newest, datetime):
        return []
    last = newest + step if until is None else until
    if far is not None:
        last = min(last, newest + far + step)
    if view.root.end is not None:
        last = min(last, texts.moment(view.root.end))
    number, count = max(1, (first - start) // step + 1), (last - start) // step
    return [start + step * place for place in range(number, count + 1)]


def _stored(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the view's own table, as a test writes them: ``known_at`` is the moment unless it is given."""
    wanted = [*view.entity.keys, "event_time", *view.feature_names]
    missing = [name for name in wanted if name not in rows.columns]
    if missing:
        hints = " ".join(f"{name!r} is missing. {texts.did_you_mean(name, rows.columns)}" for name in missing)
        raise KitError(f"{view.where}: its rows do not have the columns of its table: {hints}")
    frame = rows if "known_at" in rows.columns else rows.with_columns(known_at="event_time")
    columns = {**view.columns, "known_at": pl.Datetime}
    written = Source(view.name, columns, "event_time", delta="rows of a test", known_at="known_at")
    typed = as_declared(written, frame.lazy()).collect()
    return typed.select(*view.entity.keys, "event_time", "known_at", *view.feature_names)


def _feature_table(view: FeatureView, rows: pl.DataFrame) -> FeatureTable:
    return FeatureTable(rows.lazy(), tuple(view.entity.keys), view.feature_names, view.ttl_length)


def _keys(view: FeatureView, entities: Rows | None, given: Mapping[Source | FeatureView, Rows]) -> pl.DataFrame:
    """The entities to look up, each once."""
    seen = next(iter(given))
    frame = _frame(given[seen], seen) if entities is None else _frame(entities, view)
    missing = [key for key in view.entity.keys if key not in frame.columns]
    if missing:
        hint = texts.did_you_mean(missing[0], frame.columns)
        raise KitError(f"entities has no column {missing[0]!r}, a key of {view.where}. {hint}")
    typed = [pl.col(key).cast(view.columns[key]) for key in view.entity.keys]
    return frame.select(typed).drop_nulls().unique(maintain_order=True)

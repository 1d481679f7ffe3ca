"""The test kit: computes features and training sets from frames, with the platform's own code, without Dagster.

    from datetime import datetime
    from mlp_assets import testing

    orders = {"user_id": [7, 7], "amount": [3.0, 4.0], "ordered_at": [datetime(2024, 3, 4, 9), datetime(2024, 3, 6)]}
    testing.features(spending, orders, at="2024-03-11")    # user_id, at, spend_28d as known on that day

Rows are a dictionary of columns, or a Polars frame, with the columns that the source declares. A time without a zone
counts as UTC. Errors are the same as in a run.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

import polars as pl

from mlp_assets.errors import MlpError
from mlp_assets.features.compute.windows import feature_rows
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import Availability, TrainingSet
from mlp_assets.tables.as_of_join import FeatureTable, join_as_visible
from mlp_assets.tables.declared_visibility import declared_visibility, grid_of
from mlp_assets.tables.events import UTC_TIME, as_declared, as_events
from mlp_assets.tables.visibility import AS_KNOWN, visible_at
from mlp_assets.training_sets.compute.training_rows import training_rows

Rows = pl.DataFrame | pl.LazyFrame | Mapping[str, Any]
# Rows of one source, or a mapping from each source or view to its rows.
Inputs = Rows | Mapping[Source | FeatureView, Rows]
Times = str | datetime | Sequence[str | datetime]


class KitError(MlpError):
    """The kit cannot compute anything from its arguments."""


def table(view: FeatureView, rows: Inputs, *, until: str | datetime | None = None) -> pl.DataFrame:
    """The table that a run would write for the view.

    Args:
        view: the view to compute.
        rows: the rows of its source. For a view over a view, the rows of the source at the end of the chain. Or a
            mapping from the source, or from a view of the chain, to its rows.
        until: the last moment. Default: the first step of the cadence after the newest event.

    Returns:
        Keys, ``event_time``, ``known_at`` and the features: a row, or several versions of it, for each entity and each
        step of the cadence. Steps are counted from the ``start`` of the source, so weeks begin on its weekday.

    Raises:
        MlpError: the view is not valid, or the rows lack columns that it reads.
    """
    _check(view)
    return _table(view, _inputs_of(view, rows), _time("until", until) if until is not None else None)


def features(
    view: FeatureView,
    rows: Inputs,
    *,
    at: Times,
    entities: Rows | None = None,
    availability: Literal["known", "declared"] = "known",
) -> pl.DataFrame:
    """The features of a view at each of the times.

    That is the newest row of the view that was known by then, unless it is past its TTL; or with
    ``availability="declared"``, the newest one that its schedule had published by then, which a request sees.

    Args:
        view: as in ``table``.
        rows: as in ``table``.
        at: one or several times, as ISO texts or datetimes.
        entities: key columns of the entities to look up. Default: every entity in the rows.
        availability: as in ``TrainingSet``. A test has no record of publications.

    Returns:
        Keys, ``at`` and the features, one row per time and entity, sorted by time and key.

    Raises:
        MlpError: as in ``table``.
    """
    _check(view)
    inputs, keys = _inputs_of(view, rows), list(view.entity.keys)
    times = [_time("at", time) for time in ([at] if isinstance(at, str | datetime) else at)]
    if not times:
        raise KitError("at=[] holds no time. Write at='2024-03-11', for example.")
    stored = _table(view, inputs, max(times))
    asked = _keys(view, entities, inputs).join(pl.DataFrame({"at": times}, schema={"at": UTC_TIME}), how="cross")
    table = _feature_table(view, stored, availability, max(times))
    return join_as_visible(asked.lazy(), "at", [table]).collect().sort("at", *keys)


def training_set(spec: TrainingSet, labels: Rows, rows: Inputs, *, split: bool = True) -> pl.DataFrame:
    """The table that a run would write for the training set, if nothing was published yet.

    Args:
        spec: the training set to compute.
        labels: the rows of its labels.
        rows: the rows of the source of its views, or a mapping from each source or view to its rows.
        split: False keeps all rows and leaves out the column ``split``, for frames that are too small to split.

    Returns:
        Keys, ``at``, ``known_at``, features, target and ``split``, sorted by time and key.

    Raises:
        NothingToTrainError: a part of the split has no rows.
        MlpError: the training set is not valid, or the rows lack columns that it reads.
    """
    _check(spec)
    if spec.logged_by is not None:
        raise KitError(f"{spec.where} takes its features from a log of predictions, which a test does not have.")
    known = as_declared(spec.labels, _frame(labels, spec.labels).lazy()).collect()
    last = known[spec.labels.event_time].max()
    until = last if isinstance(last, datetime) else None
    tables = [
        _feature_table(view, _table(view, _inputs_of(view, rows), until), spec.availability, until)
        for view in spec.features
    ]
    return training_rows(spec, known.lazy(), tables, split=split)


def _check(spec: FeatureView | TrainingSet) -> None:
    """Raises ProjectError for a spec that is not valid."""
    _project(spec)


def _project(spec: FeatureView | TrainingSet) -> Project:
    return Project("under_test", owner="team:under_test", assets=[spec])


def _time(field: str, value: str | datetime) -> datetime:
    try:
        return texts.moment(value if isinstance(value, str) else value.isoformat())
    except (AttributeError, TypeError, ValueError):
        raise KitError(
            f"{field}={value!r} is not a time. Write '2024-03-11', '2024-03-11T09:30' or a datetime."
        ) from None


def _chain(view: FeatureView) -> list[Source | FeatureView]:
    """The view, the views below it, and the source at the end."""
    source = view.source
    return [view, *(_chain(source) if isinstance(source, FeatureView) else [source])]


def _inputs_of(view: FeatureView, rows: Inputs) -> dict[Source | FeatureView, Rows]:
    """The rows of the sources and views below a view. Raises KitError if there are none."""
    if not isinstance(rows, Mapping) or all(isinstance(key, str) for key in rows):
        return {view.root: cast("Rows", rows)}
    all_inputs = cast("Mapping[Source | FeatureView, Rows]", rows)
    inputs = {spec: all_inputs[spec] for spec in _chain(view) if spec in all_inputs}
    if not inputs:
        listed = ", ".join(getattr(key, "where", repr(key)) for key in all_inputs)
        raise KitError(
            f"{view.where} is computed from {view.root.where}, but the rows are those of {listed}. Write "
            "rows={source: frame} with the object that is the view's source."
        )
    return inputs


def _frame(rows: Rows, spec: Source | FeatureView) -> pl.DataFrame:
    if isinstance(rows, pl.LazyFrame):
        return rows.collect()
    if isinstance(rows, pl.DataFrame):
        return rows
    try:
        frame = pl.DataFrame(dict(rows))
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise KitError(f"The rows of {spec.where} are not a table: {error}. Write a list for each column.") from None
    # Polars cannot infer the type of an empty list, or of a list of None.
    untyped = [name for name, dtype in frame.schema.items() if dtype == pl.Null and name in spec.columns]
    return frame.with_columns(pl.col(name).cast(spec.columns[name]) for name in untyped)


def _table(view: FeatureView, inputs: Mapping[Source | FeatureView, Rows], until: datetime | None) -> pl.DataFrame:
    if view in inputs:
        return _stored(view, _frame(inputs[view], view))
    events = _events(view, inputs, until)
    moments = _moments(view, events, until)
    if not moments:
        times = {"event_time": UTC_TIME, "known_at": UTC_TIME}
        keys = {key: events.schema[key] for key in view.entity.keys}
        return pl.DataFrame(schema={**keys, **times, **dict.fromkeys(view.feature_names, pl.Float64)})
    return feature_rows(view, events.lazy(), moments)


def _events(view: FeatureView, inputs: Mapping[Source | FeatureView, Rows], until: datetime | None) -> pl.DataFrame:
    source = view.source
    if isinstance(source, FeatureView):
        return as_events(source, _table(source, inputs, until).lazy()).collect()
    events = as_events(source, _frame(inputs[source], source).lazy()).collect()
    start = texts.moment(source.start)
    early = events.filter(pl.col(source.event_time) < start) if source.ingested else events.clear()
    if early.height:
        raise KitError(
            f"{source.where}: {early.height} of {events.height} rows happened before start={source.start!r}, where "
            f"ingestion begins. The first happened at {early[source.event_time].min()}. Write later times, or an "
            "earlier start."
        )
    return events


def _moments(view: FeatureView, events: pl.DataFrame, until: datetime | None) -> list[datetime]:
    """The steps of the cadence at which a window holds any of the events."""
    start, step, reach = texts.moment(view.root.start), texts.duration(view.every), view.reach
    first, newest = (
        cast("datetime | None", events[view.source.event_time].min()),
        events[view.source.event_time].max(),
    )
    if first is None or not isinstance(newest, datetime):
        return []
    last = newest + step if until is None else until
    if reach is not None:
        last = min(last, newest + reach + step)
    if view.root.end is not None:
        last = min(last, texts.moment(view.root.end))
    number, count = max(1, (first - start) // step + 1), (last - start) // step
    return [start + step * place for place in range(number, count + 1)]


def _stored(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the view's own table, as a test writes them. ``known_at`` defaults to ``event_time``."""
    names = [*view.entity.keys, "event_time", *view.feature_names]
    missing = [name for name in names if name not in rows.columns]
    if missing:
        hints = " ".join(f"{name!r} is missing. {texts.did_you_mean(name, rows.columns)}" for name in missing)
        raise KitError(f"{view.where}: the rows lack columns of its table: {hints}")
    frame = rows if "known_at" in rows.columns else rows.with_columns(known_at="event_time")
    columns = {**view.columns, "known_at": pl.Datetime}
    source = Source(view.name, columns, "event_time", delta="rows of a test", known_at="known_at")
    typed = as_declared(source, frame.lazy()).collect()
    return typed.select(*view.entity.keys, "event_time", "known_at", *view.feature_names)


def _feature_table(
    view: FeatureView, rows: pl.DataFrame, availability: Availability, until: datetime | None
) -> FeatureTable:
    visible = AS_KNOWN
    if availability != "known" and until is not None:
        grid = grid_of(view, until)
        visible = visible_at(grid, declared_visibility(_project(view), view, grid))
    return FeatureTable.of(view, rows.lazy(), visible)


def _keys(view: FeatureView, entities: Rows | None, inputs: Mapping[Source | FeatureView, Rows]) -> pl.DataFrame:
    """The entities to look up, each once."""
    first = next(iter(inputs))
    frame = _frame(inputs[first], first) if entities is None else _frame(entities, view)
    missing = [key for key in view.entity.keys if key not in frame.columns]
    if missing:
        hint = texts.did_you_mean(missing[0], frame.columns)
        raise KitError(f"entities has no column {missing[0]!r}, a key of {view.where}. {hint}")
    typed = [pl.col(key).cast(view.columns[key]) for key in view.entity.keys]
    return frame.select(typed).drop_nulls().unique(maintain_order=True)

"""Source: a table, its event time, and the time at which a row became known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.noun import Noun

DataType = type[pl.DataType] | pl.DataType
Columns = Mapping[str, DataType]


@dataclass(frozen=True)
class Window:
    """The half-open span [start, end) of time, in UTC, that one partition covers."""

    start: datetime
    end: datetime

    def holds(self, column: str, delay: str | None = None) -> pl.Expr:
        """Whether the time in a column lies in the window; a date is its midnight, a time without a zone is in UTC.

        Args:
            delay: of the source, where it has one: whether the row *became known* in the window.
        """
        time = pl.col(column).cast(pl.Datetime("us", "UTC"))
        if delay is not None:
            time = time + texts.duration(delay)
        return time.is_between(self.start, self.end, closed="left")


@dataclass(frozen=True, eq=False)
class Source(Noun):
    """A table of events or labels. Exactly one of ``delta``, ``parquet`` and ``read`` says where it comes from.

    A Delta or Parquet source is an external asset: it is read where it lies. A ``read`` function makes the source
    an asset that the project ingests, one partition of length ``every`` at a time.

    Args:
        name: lower-case identifier.
        columns: each column that the project uses with its Polars type; other columns are ignored.
        event_time: the column that says when the row happened.
        delta, parquet: the location of the table.
        read: ``read(window, *inputs)`` returns the rows that became known in the window, as a Polars frame.
        inputs: sources whose tables ``read`` gets as lazy frames, in this order.
        known_at: the column that says when the row became known; else ``event_time`` plus ``delay``.
        delay: how long after its event time a row becomes known.
        every: the length of a partition, ``"1d"`` or ``"1w"``.
        start, end: the first and (if the history is closed) last moment of the partitions.
        new_columns: whether an undeclared column that the data did not have at the last run stops the run.
    """

    name: str
    columns: Columns
    event_time: str
    delta: str | None = None
    parquet: str | None = None
    read: Callable[..., pl.DataFrame | pl.LazyFrame] | None = None
    inputs: Sequence["Source"] = ()
    known_at: str | None = None
    delay: str | None = None
    every: str = "1d"
    start: str = "2020-01-01"
    end: str | None = None
    new_columns: Literal["stop", "ignore"] = "stop"
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", texts.frozen_mapping(self.columns))
        object.__setattr__(self, "inputs", texts.frozen_sequence(self.inputs))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def ingested(self) -> bool:
        """Whether the project itself writes this table."""
        return self.read is not None

    @property
    def live(self) -> bool:
        """Whether rows are ingested as they come, so that the time of ingestion bounds when a row was known.

        A history with an ``end`` is taken at its word.
        """
        return self.ingested and self.end is None

    @property
    def versioned(self) -> bool:
        """Whether rows may become known later than ``delay`` after they happened, so that feature rows get versions."""
        return self.known_at is not None or self.live

    @property
    def root(self) -> "Source":
        return self

    @property
    def delay_length(self) -> timedelta:
        return texts.duration(self.delay) if self.delay else timedelta(0)

    def known_expression(self) -> pl.Expr:
        """The time at which a row became known, as a Polars expression over the source's columns."""
        if self.known_at is not None:
            return pl.max_horizontal(pl.col(self.known_at), pl.col(self.event_time))
        return pl.col(self.event_time) + self.delay_length

    def own_problems(self) -> list[Problem]:
        found: list[Problem] = []
        given = [kind for kind in ("delta", "parquet", "read") if getattr(self, kind) is not None]
        if len(given) != 1:
            what = "nothing says where its rows come from" if not given else f"{' and '.join(given)} are both given"
            found.append(Problem(self.where, what, "Write exactly one of delta='...', parquet='...', read=function."))
        if not self.columns:
            found.append(
                Problem(self.where, "it declares no columns", "Write columns={'bought_at': pl.Datetime, ...}.")
            )
        else:
            found += self._column_problems()
        if self.known_at and self.delay:
            fix = "Keep the one that says when a row became known."
            found.append(Problem(self.where, "known_at and delay are both given", fix))
        if self.inputs and not self.ingested:
            found.append(
                Problem(self.where, "inputs are for a read function, and there is none", "Write read=function.")
            )
        return found + self._time_problems()

    def _column_problems(self) -> list[Problem]:
        times = {"event_time": self.event_time} | ({"known_at": self.known_at} if self.known_at is not None else {})
        found = texts.column_problems(self.where, times.values(), self.columns, "its columns")
        for given, column in times.items():
            if column in self.columns and self.columns[column] != pl.Datetime:
                what = f"{given}={column!r} is declared as {type_name(self.columns[column])}"
                fix = f"Write columns={{{column!r}: pl.Datetime}}: a date counts as its midnight in UTC."
                found.append(Problem(self.where, f"{what}, and a time is wanted", fix))
        taken = {"partition", "known_at", "event_time"} - set(times.values())
        taken |= {"ingested_at", "withdrawn_at", "late"}
        # The platform adds its own known_at and visible_at to the rows.
        taken |= {self.event_time} & {"partition", "known_at", "visible_at"}
        for column in sorted(taken & set(self.columns)):
            found.append(Problem(self.where, f"column {column!r} is a reserved name", "Rename it in the source."))
        return found

    def _time_problems(self) -> list[Problem]:
        found = texts.function_problems(self.where, "read", self.read)
        found += texts.duration_problems(self.where, "delay", self.delay)
        found += texts.duration_problems(self.where, "every", self.every)
        found += texts.moment_problems(self.where, "start", self.start)
        found += texts.moment_problems(self.where, "end", self.end)
        if not found and self.end is not None and texts.moment(self.end) <= texts.moment(self.start):
            what = f"end={self.end!r} is not after start={self.start!r}, so there is no partition"
            found.append(Problem(self.where, what, "Write a later end, or none for a history that goes on."))
        return found + cadence_problems(self.where, self.every)


def type_name(dtype: DataType) -> str:
    """A column's type as a user writes it."""
    return f"pl.{dtype}"


def is_number(dtype: DataType) -> bool:
    """Whether a model can take the column: features, targets and request columns become floating-point numbers."""
    return dtype == pl.Boolean or dtype.is_numeric()


def number_problems(where: str, what: str, names: Iterable[str], source: Source) -> list[Problem]:
    """Checks that the columns, those that the source has, are numbers or truth values."""
    fix = "Write a column of pl.Float64, pl.Int64 or pl.Boolean; turn what is no number into one in the source."
    return [
        Problem(where, f"{what} {name!r} is {type_name(source.columns[name])}, which is no number", fix)
        for name in names
        if name in source.columns and not is_number(source.columns[name])
    ]


def request_problems(where: str, names: Iterable[str], source: Source) -> list[Problem]:
    """Checks that the columns, those that the source has, are numbers, truth values, texts or lists of numbers."""
    fix = "Write a column of numbers, of pl.Boolean, pl.String or pl.List(pl.Float64)."
    return [
        Problem(where, f"request column {name!r} is {type_name(source.columns[name])}, which no model takes", fix)
        for name in names
        if name in source.columns and not _takes(source.columns[name])
    ]


def _takes(dtype: DataType) -> bool:
    return is_number(dtype) or dtype == pl.String or (isinstance(dtype, pl.List) and dtype.inner.is_numeric())


def cadence_problems(where: str, every: Any) -> list[Problem]:
    """A cadence is one day or one week: what partitions are made of."""
    if every in ("1d", "1w", "7d") or texts.duration_problems(where, "every", every):
        return []
    return [Problem(where, f"every={every!r} is not a cadence", "Write every='1d' or every='1w'.")]

"""Source: a table, its event time, and the time at which a row became known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.cadences import cadence_problems
from mlp_assets.nouns.checks.held_types import held_type, not_held
from mlp_assets.nouns.noun import Noun

DataType = type[pl.DataType] | pl.DataType
Columns = Mapping[str, DataType]
UTC_TIME = pl.Datetime("us", "UTC")
_DAY = timedelta(days=1)
_MEANING = {"known_at": "became known", "event_time": "happened"}


@dataclass(frozen=True)
class Window:
    """The half-open time span [start, end) of one partition, in UTC."""

    start: datetime
    end: datetime

    def holds(self, column: str, delay: str | None = None) -> pl.Expr:
        """Whether the time in a column lies in the window. A date counts as its midnight, a time without a zone as UTC.

        Args:
            delay: the delay of the source. With it, the condition is that the row *became known* in the window.
        """
        time = pl.col(column).cast(pl.Datetime("us", "UTC"))
        if delay is not None:
            time = time + texts.duration(delay)
        return time.is_between(self.start, self.end, closed="left")


@dataclass(frozen=True, eq=False)
class Source(Noun):
    """A table of events or labels, with exactly one of ``delta``, ``parquet`` and ``read``.

    A Delta or Parquet source is an external asset, read in place. With a ``read`` function the source is an asset that
    the project ingests once in each ``every``. Its table has partitions of a day, or of a week if ``every`` is whole
    weeks.

    Args:
        name: lower-case identifier.
        columns: name -> Polars type of each column that the project uses. Other columns are ignored. Unsigned integers
            are held as the next signed type, categories as ``pl.String`` and arrays as lists.
        event_time: the column with the time at which the row happened.
        delta: location of a Delta table.
        parquet: location of Parquet files.
        read: ``read(window, *inputs)`` returns a Polars frame of the rows that became known in the window. That is a
            partition, or the part of today's partition that has passed if ``every`` is shorter than a day.
        inputs: sources whose whole tables ``read`` gets as lazy frames, in this order.
        known_at: the column with the time at which the row became known. Default: ``event_time`` plus ``delay``.
        delay: how long after its event time a row becomes known.
        every: how often rows are ingested: minutes that divide a day, whole days or weeks, such as ``"5m"``, ``"1h"``,
            ``"1d"``, ``"2d"`` or ``"1w"``.
        start: the day on which the first partition begins, at midnight in UTC.
        end: the end of the last partition. None means that rows keep coming.
        new_columns: whether a run stops on an undeclared column that the data did not have at the last run.
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
        columns = self.columns
        if isinstance(columns, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # users write anything
            columns = {name: held_type(dtype) for name, dtype in columns.items()}
        object.__setattr__(self, "columns", texts.frozen_mapping(columns))
        object.__setattr__(self, "inputs", texts.frozen_sequence(self.inputs))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def ingested(self) -> bool:
        """Whether the project writes this table itself."""
        return self.read is not None

    @property
    def live(self) -> bool:
        """Whether rows are ingested as they arrive, so that a row was known at its ingestion and not before.

        For a history with an ``end``, the declared ``known_at`` or ``delay`` is trusted instead.
        """
        return self.ingested and self.end is None

    @property
    def versioned(self) -> bool:
        """Whether rows may become known later than ``event_time`` plus ``delay``. Then feature rows have versions."""
        return self.known_at is not None or self.live

    @property
    def root(self) -> "Source":
        return self

    @property
    def delay_length(self) -> timedelta:
        return texts.duration(self.delay) if self.delay else timedelta(0)

    def known_expression(self) -> pl.Expr:
        """The time at which a row became known, as an expression over the source's columns."""
        if self.known_at is not None:
            return pl.max_horizontal(pl.col(self.known_at), pl.col(self.event_time))
        return pl.col(self.event_time) + self.delay_length

    def own_problems(self) -> list[Problem]:
        problems: list[Problem] = []
        origins = [kind for kind in ("delta", "parquet", "read") if getattr(self, kind) is not None]
        if len(origins) != 1:
            what = (
                "it has no delta, parquet or read, so it has no rows"
                if not origins
                else f"{' and '.join(origins)} are both given"
            )
            problems.append(
                Problem(self.where, what, "Write exactly one of delta='...', parquet='...', read=function.")
            )
        if not self.columns:
            problems.append(
                Problem(self.where, "it declares no columns", "Write columns={'bought_at': pl.Datetime, ...}.")
            )
        else:
            problems += self._column_problems()
        if self.known_at and self.delay:
            fix = "Keep the one that describes when a row becomes known."
            problems.append(Problem(self.where, "known_at and delay are both given", fix))
        if self.inputs and not self.ingested:
            problems.append(
                Problem(self.where, "inputs are for a read function, but it has none", "Write read=function.")
            )
        return problems + self._time_problems()

    def _column_problems(self) -> list[Problem]:
        times = {"event_time": self.event_time} | ({"known_at": self.known_at} if self.known_at is not None else {})
        problems = texts.column_problems(self.where, times.values(), self.columns, "its columns")
        for field_name, column in times.items():
            if column in self.columns and self.columns[column] != pl.Datetime:
                what = f"{field_name}={column!r} is declared as {type_name(self.columns[column])}"
                fix = f"Write columns={{{column!r}: pl.Datetime}}: a date counts as its midnight in UTC."
                problems.append(Problem(self.where, f"{what}, which is not a time", fix))
        if self.ingested:
            problems += held_problems(self.where, self.columns, self)
        taken = {"partition", "known_at", "event_time"} - set(times.values())
        taken |= {"ingested_at", "withdrawn_at"} | {name for name in self.columns if str(name).startswith("__")}
        # The platform adds columns known_at and visible_at to the rows.
        taken |= {self.event_time} & {"partition", "known_at", "visible_at"}
        for column in sorted(taken & set(self.columns)):
            what = f"column {column!r} is a reserved name: the platform adds a column of that name to the rows"
            fix = "Return it from read under another name." if self.ingested else "Rename it in the source."
            if column in ("known_at", "event_time"):
                fix = f"If it says when a row {_MEANING[column]}, write {column}={column!r}. Otherwise: {fix}"
            problems.append(Problem(self.where, what, fix))
        return problems

    def _time_problems(self) -> list[Problem]:
        problems = texts.function_problems(self.where, "read", self.read)
        problems += texts.duration_problems(self.where, "delay", self.delay)
        problems += texts.duration_problems(self.where, "every", self.every)
        problems += texts.moment_problems(self.where, "start", self.start)
        problems += texts.moment_problems(self.where, "end", self.end)
        if not problems and texts.moment(self.start) != texts.moment(f"{texts.moment(self.start):%Y-%m-%d}"):
            what = f"start={self.start!r} is not midnight in UTC, where partitions begin"
            fix = f"Write start='{texts.moment(self.start):%Y-%m-%d}'."
            problems.append(Problem(self.where, what, fix))
        if not problems and self.end is not None and texts.moment(self.end) <= texts.moment(self.start):
            what = f"end={self.end!r} is not after start={self.start!r}, so there is no partition"
            problems.append(Problem(self.where, what, "Write a later end, or leave end out if rows keep coming."))
        return problems + (cadence_problems(self.where, self.every) or ([] if problems else self._end_problems()))

    def _end_problems(self) -> list[Problem]:
        """A history ends with a partition. The rows after its last whole one would never be read."""
        if self.end is None:
            return []
        every = texts.duration(self.every)
        step = max(every, _DAY) if self.ingested else _DAY
        start, end = texts.moment(self.start), texts.moment(self.end)
        after = (end - start) % step
        if not after:
            return []
        what = (
            f"end={self.end!r} lies inside a partition, and the rows from {end - after:%Y-%m-%d} on would be left out"
        )
        return [Problem(self.where, what, f"Write end='{end - after + step:%Y-%m-%d}', where the partition ends.")]


def column_types(columns: Columns) -> dict[str, pl.DataType]:
    """The types of declared columns in the rows that are read: times are in UTC, in microseconds."""
    return {name: UTC_TIME if dtype == pl.Datetime else _instance(dtype) for name, dtype in columns.items()}


def _instance(dtype: DataType) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


def type_name(dtype: DataType) -> str:
    """A Polars type as users write it."""
    return f"pl.{dtype}"


def is_number(dtype: DataType) -> bool:
    """Whether the column can become a floating-point number, as features and targets do."""
    return dtype == pl.Boolean or dtype.is_numeric()


def number_problems(where: str, what: str, names: Iterable[str], source: Source) -> list[Problem]:
    """Those of the columns that the source has must be numbers or truth values."""
    fix = "Write a column of pl.Float64, pl.Int64 or pl.Boolean; convert other types in the source."
    return [
        Problem(where, f"{what} {name!r} is {type_name(source.columns[name])}, which is not a number", fix)
        for name in names
        if name in source.columns and not is_number(source.columns[name])
    ]


def held_problems(where: str, names: Iterable[str], source: Source) -> list[Problem]:
    """Those of the columns that the source has must be of types that Delta tables hold."""
    types = {name: source.columns[name] for name in names if name in source.columns}
    return [
        Problem(
            where,
            f"column {name!r} is {type_name(dtype)}, which no Delta table holds",
            f"Write {not_held(dtype)}, and convert the column where it is read.",
        )
        for name, dtype in types.items()
        if not_held(dtype) is not None
    ]


def request_problems(where: str, names: Iterable[str], source: Source) -> list[Problem]:
    """Those of the columns that the source has must be numbers, truth values, texts or lists of numbers."""
    fix = "Write a column of numbers, of pl.Boolean, pl.String or pl.List(pl.Float64)."
    return [
        Problem(where, f"request column {name!r} is {type_name(source.columns[name])}, which models cannot take", fix)
        for name in names
        if name in source.columns and not _takes(source.columns[name])
    ]


def _takes(dtype: DataType) -> bool:
    return is_number(dtype) or dtype == pl.String or (isinstance(dtype, pl.List) and dtype.inner.is_numeric())

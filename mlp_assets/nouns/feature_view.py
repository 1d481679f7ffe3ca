"""FeatureView: features of an entity, computed from a source."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.exact_numbers import Schema, exact
from mlp_assets.nouns.aggregation import Aggregation, Ratio
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.cadences import cadence_problems
from mlp_assets.nouns.checks.features import feature_problems
from mlp_assets.nouns.checks.named import shown
from mlp_assets.nouns.entity import Entity
from mlp_assets.nouns.noun import Noun, later_field
from mlp_assets.nouns.source import Columns, Source, column_types, held_problems

_LONGEST_DELAY = timedelta(hours=1)
Derive = Callable[[], Mapping[str, pl.Expr]]


@dataclass(frozen=True)
class About:
    """Description, owner and tags of a feature. An owner of None means the project's."""

    description: str
    owner: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class FeatureView(Noun):
    """Features of an entity, computed at each step of a cadence from the events known by then.

    Args:
        name: lower-case identifier.
        entity: whose features they are.
        source: the events. The rows of another view are events too. A row at the moment where a window ends counts as
            inside that window.
        features: feature name -> aggregation over a trailing window, attribute, or ratio.
        every: the cadence: minutes that divide a day, whole days or weeks, such as ``"5m"``, ``"1h"``, ``"1d"``,
            ``"2d"`` or ``"1w"``. Steps are counted from the ``start`` of the source.
        derive: an importable function that returns feature name -> Polars expression over the other features.
        ttl: maximum age of a row that is used, offline and online. None means no limit.
        online: whether the newest rows are published so that endpoints can look them up.
        fresh_within: maximum age of the newest row before the view counts as stale.
        publish: when late rows of the source reach requests: with the run of the next step, or by a run of their own
            when they arrive. The source is then one that others write to, in Delta.
        publish_delay: how long after the start of its scheduled run, or after a late row arrived, a view is online at
            the latest, where no record says so. Default: a tenth of the cadence, at most an hour.
        empty: what ``mlp.total``, ``mlp.count`` and ``mlp.count_distinct`` are for a window without any event of the
            entity: 0, or missing, for a feed whose silence says nothing.
        describe: derived feature name -> one sentence. Default: the first line of the docstring of ``derive``.
    """

    name: str
    entity: Entity
    source: "Source | FeatureView"
    features: Mapping[str, Aggregation | Ratio]
    every: str = "1d"
    derive: Derive | None = None
    ttl: str | None = None
    online: bool = False
    fresh_within: str | None = None
    describe: Mapping[str, str] = field(default_factory=dict[str, str])
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    publish_delay: str | None = later_field(None)
    publish: Literal["on_schedule", "on_arrival"] = later_field("on_schedule")
    empty: Literal["zero", "missing"] = later_field("zero")

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", texts.frozen_mapping(self.features))
        object.__setattr__(self, "describe", texts.frozen_mapping(self.describe))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def ttl_length(self) -> timedelta | None:
        return texts.duration(self.ttl) if self.ttl else None

    @property
    def publication_mode(self) -> str:
        """The cadence, and whether late rows have runs of their own. A record of publications holds for one mode."""
        return self.every if self.publish == "on_schedule" else f"{self.every}, on arrival"

    @property
    def publish_delay_length(self) -> timedelta:
        if self.publish_delay is not None:
            return texts.duration(self.publish_delay)
        return min(texts.duration(self.every) / 10, _LONGEST_DELAY)

    @property
    def root(self) -> Source:
        """The source at the end of its chain of views."""
        return self.source.root if isinstance(self.source, FeatureView) else self.source

    @property
    def columns(self) -> Columns:
        """Columns that a view over this one can read: the entity's keys, the event time and the features."""
        keys = {key: self.source.columns[key] for key in self.entity.keys if key in self.source.columns}
        return {**keys, "event_time": pl.Datetime, **dict.fromkeys(self.feature_names, pl.Float64)}

    @property
    def event_time(self) -> str:
        """The column with the time of a row."""
        return "event_time"

    @property
    def parts(self) -> tuple[Aggregation, ...]:
        """Every aggregation of its features, both of a ratio."""
        return tuple(part for feature in self.features.values() for part in feature.parts)

    @cached_property
    def exact_features(self) -> Mapping[str, Aggregation | Ratio]:
        """The features as they are computed: their numbers neither wrap around nor lose digits."""
        schema = column_types(self.source.columns)
        return texts.frozen_mapping({name: feature.exact(schema) for name, feature in self.features.items()})

    @property
    def lookback(self) -> timedelta | None:
        """The longest window. None where an attribute reads the whole history."""
        windows = [part.window for part in self.parts]
        return None if None in windows else max(window for window in windows if window is not None)

    @property
    def reach(self) -> timedelta | None:
        """How far back a row reads: the longest window plus one step of the cadence. None means the whole history."""
        return self.lookback + texts.duration(self.every) if self.lookback is not None else None

    @cached_property
    def derived(self) -> Mapping[str, pl.Expr]:
        """Derived feature name -> expression. Its numbers neither wrap around nor lose digits."""
        derived = self.derive() if self.derive is not None else {}
        return texts.frozen_mapping(exact_derived(derived, dict.fromkeys(self.features, pl.Float64())))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, in the order in which they are stored."""
        return (*self.features, *self.derived)

    def about(self, name: str) -> About:
        """A feature's own description, owner and tags, or else those of ``derive`` and of the view."""
        feature = self.features.get(name)
        if feature is None:
            docstring = getattr(self.derive, "__doc__", None) or ""
            return About(self.describe.get(name) or docstring.strip().partition("\n")[0], self.owner, self.tags)
        return About(feature.description, feature.owner or self.owner, {**self.tags, **feature.tags})

    def own_problems(self) -> list[Problem]:
        problems = texts.function_problems(self.where, "derive", self.derive)
        for name in ("every", "ttl", "fresh_within", "publish_delay"):
            problems += texts.duration_problems(self.where, name, getattr(self, name))
        problems += cadence_problems(self.where, self.every)
        if not self.features:
            fix = "Write features={'spend_30d': mlp.total('sales_value', over='30d')}, for example."
            problems.append(Problem(self.where, "it has no features", fix))
        return problems or self._ttl_problems() + self._arrival_problems()

    def linked_problems(self) -> list[Problem]:
        if isinstance(self.source, FeatureView) and self.source.problems():
            return []  # the source reports its own problems, and its columns may be wrong
        problems = texts.column_problems(self.where, self.entity.keys, self.source.columns, self.source.where)
        if isinstance(self.source, Source) and not self.source.ingested:
            problems += held_problems(self.where, self.entity.keys, self.source)
        for name, feature in self.features.items():
            problems += feature_problems(self.where, name, feature, self.source, taken=self.entity.keys)
        return problems + self._derive_problems()

    def _arrival_problems(self) -> list[Problem]:
        if self.publish == "on_schedule":
            return []
        if not self.online:
            what = "publish='on_arrival', but it is not online, so nothing is published"
            return [Problem(self.where, what, "Write online=True, or leave publish out.")]
        if isinstance(self.source, Source) and self.source.delta is not None:
            return []
        what = f"publish='on_arrival', but the platform writes {self.source.where}, on its own schedule"
        if isinstance(self.source, Source) and self.source.parquet is not None:
            what = f"publish='on_arrival', but {self.source.where} is Parquet, which does not say when rows arrive"
        fix = "Leave publish out, and write a shorter every; or read a source with delta=."
        return [Problem(self.where, what, fix)]

    def _ttl_problems(self) -> list[Problem]:
        if self.ttl is None or texts.duration(self.ttl) >= texts.duration(self.every):
            return []
        what = f"ttl={self.ttl!r} is shorter than every={self.every!r}, so features would expire before the next row"
        return [Problem(self.where, what, f"Write a ttl of {self.every!r} or more, or a shorter cadence.")]

    def _derive_problems(self) -> list[Problem]:
        if self.derive is None or texts.function_problems(self.where, "derive", self.derive):
            return []
        return derive_problems(self.where, self.derive, set(self.features) | set(self.entity.keys))


ViewInput = Source | FeatureView
"""What a view reads its events from."""


def exact_derived(derived: Mapping[str, pl.Expr], schema: Schema) -> dict[str, pl.Expr]:
    """The derived features that are expressions as ``exact`` returns them.

    Args:
        schema: the types of the columns that they read, besides each other.
    """
    types = {**schema, **dict.fromkeys(derived, pl.Float64())}
    return {name: exact(each, types) if isinstance(each, pl.Expr) else each for name, each in derived.items()}  # pyright: ignore[reportUnnecessaryIsInstance]  # users write anything


def derive_problems(where: str, derive: Derive, available: set[str], taken: Collection[str] = ()) -> list[Problem]:
    """Checks that ``derive()`` returns expressions over available columns or over features that it derived before.

    Args:
        taken: further names that a derived feature may not have.
    """
    try:
        derived = dict(derive())
    except Exception as error:
        what = f"derive={derive.__qualname__} raised {type(error).__name__}: {error}"
        return [Problem(where, what, "It must take no arguments and return {'name': a Polars expression}.")]
    problems: list[Problem] = []
    for name, expression in derived.items():
        spot = f"{where}, derived feature {name!r}"
        problems += texts.name_problems(spot, name)
        if name in available or name in taken or name in texts.RESERVED_COLUMNS:
            what = "the name is taken by another column"
            problems.append(Problem(spot, what, "Choose another name."))
        if not isinstance(expression, pl.Expr):  # pyright: ignore[reportUnnecessaryIsInstance]  # users write anything
            problems.append(
                Problem(spot, f"{shown(expression)} is not a Polars expression", "Write it with pl.col(...).")
            )
            continue
        names = expression.meta.root_names()
        problems += texts.column_problems(spot, names, dict.fromkeys(available), "the features that derive can use")
        available = available | {name}
    return problems

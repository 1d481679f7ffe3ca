"""FeatureView: features of an entity out of a source."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.aggregation import Aggregation, Ratio
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.features import feature_problems
from mlp_assets.nouns.checks.named import shown
from mlp_assets.nouns.entity import Entity
from mlp_assets.nouns.noun import Noun
from mlp_assets.nouns.source import Columns, Source, cadence_problems

Derive = Callable[[], Mapping[str, pl.Expr]]


@dataclass(frozen=True)
class About:
    """What people read of a feature. An owner of None is the project's."""

    description: str
    owner: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class FeatureView(Noun):
    """Features of an entity, recomputed at each step of a cadence from the events that were known by then.

    Args:
        name: lower-case identifier.
        entity, source: whose features, out of which events. The rows of another view are events too: a row of the
            moment at which a window ends counts as having happened just before it.
        features: feature name -> aggregation over a trailing window, attribute, or ratio.
        every: the cadence, ``"1d"`` or ``"1w"``.
        derive: a function of a module that returns feature name -> Polars expression over the other features.
        ttl: how old a row may be and still be used, offline and online; None means for ever.
        online: whether the newest rows are published for look-ups by endpoints.
        fresh_within: how old the newest row may be before the view counts as stale.
        describe: derived feature name -> one sentence; else the first line of what ``derive`` says of itself.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", texts.frozen_mapping(self.features))
        object.__setattr__(self, "describe", texts.frozen_mapping(self.describe))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def ttl_length(self) -> timedelta | None:
        return texts.duration(self.ttl) if self.ttl else None

    @property
    def root(self) -> Source:
        """The source at the end of its chain of views."""
        return self.source.root if isinstance(self.source, FeatureView) else self.source

    @property
    def columns(self) -> Columns:
        """The columns of its rows for a view that has this one as its source: the entity's keys and the features."""
        keys = {key: self.source.columns[key] for key in self.entity.keys if key in self.source.columns}
        return {**keys, "event_time": pl.Datetime, **dict.fromkeys(self.feature_names, pl.Float64)}

    @property
    def event_time(self) -> str:
        """The column of its rows that says when."""
        return "event_time"

    @property
    def parts(self) -> tuple[Aggregation, ...]:
        """Every aggregation in its features."""
        return tuple(part for feature in self.features.values() for part in feature.parts)

    @property
    def lookback(self) -> timedelta | None:
        """The longest window; None where an attribute goes back to the beginning."""
        windows = [part.window for part in self.parts]
        return None if None in windows else max(window for window in windows if window is not None)

    @property
    def reach(self) -> timedelta | None:
        """How far back a row reads: the longest window plus one cadence for the closing row; None is for ever."""
        return self.lookback + texts.duration(self.every) if self.lookback is not None else None

    @cached_property
    def derived(self) -> Mapping[str, pl.Expr]:
        """The derived features by name."""
        return texts.frozen_mapping(self.derive() if self.derive is not None else {})

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, stored in this order."""
        return (*self.features, *self.derived)

    def about(self, name: str) -> About:
        """What people read of a feature: its own words, else those of ``derive`` and of the view."""
        feature = self.features.get(name)
        if feature is None:
            said = self.describe.get(name) or (getattr(self.derive, "__doc__", None) or "").strip().partition("\n")[0]
            return About(said, self.owner, self.tags)
        return About(feature.description, feature.owner or self.owner, {**self.tags, **feature.tags})

    def own_problems(self) -> list[Problem]:
        found = texts.function_problems(self.where, "derive", self.derive)
        for name in ("every", "ttl", "fresh_within"):
            found += texts.duration_problems(self.where, name, getattr(self, name))
        found += cadence_problems(self.where, self.every)
        if not self.features:
            fix = "Write features={'spend_30d': mlp.total('sales_value', over='30d')}, say."
            found.append(Problem(self.where, "it has no features", fix))
        return found or self._ttl_problems()

    def linked_problems(self) -> list[Problem]:
        if isinstance(self.source, FeatureView) and self.source.problems():
            return []  # it reports for itself, and its columns may not be there
        found = texts.column_problems(self.where, self.entity.keys, self.source.columns, self.source.where)
        for name, feature in self.features.items():
            found += feature_problems(self.where, name, feature, self.source, taken=self.entity.keys)
        return found + self._derive_problems()

    def _ttl_problems(self) -> list[Problem]:
        if self.ttl is None or texts.duration(self.ttl) >= texts.duration(self.every):
            return []
        what = (
            f"ttl={self.ttl!r} is shorter than every={self.every!r}, so features would expire before they are renewed"
        )
        return [Problem(self.where, what, f"Write a ttl of {self.every!r} or more, or a shorter cadence.")]

    def _derive_problems(self) -> list[Problem]:
        if self.derive is None or texts.function_problems(self.where, "derive", self.derive):
            return []
        return derive_problems(self.where, self.derive, set(self.features) | set(self.entity.keys))


ViewInput = Source | FeatureView
"""What a view aggregates: the rows of a source, or those of another view."""


def derive_problems(where: str, derive: Derive, available: set[str], taken: Collection[str] = ()) -> list[Problem]:
    """Checks that ``derive()`` returns expressions over the available columns (or over those derived before).

    Args:
        taken: names that a derived feature may not have, beside those of what is available.
    """
    try:
        derived = dict(derive())
    except Exception as error:
        what = f"derive={derive.__qualname__} raised {type(error).__name__}: {error}"
        return [Problem(where, what, "It takes no arguments and returns {'name': polars expression}.")]
    found: list[Problem] = []
    for name, expression in derived.items():
        spot = f"{where}, derived feature {name!r}"
        found += texts.name_problems(spot, name)
        if name in available or name in taken or name in texts.RESERVED_COLUMNS:
            what = "the name is taken by another column"
            found.append(Problem(spot, what, "Choose another name."))
        if not isinstance(expression, pl.Expr):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's may be
            found.append(Problem(spot, f"{shown(expression)} is no Polars expression", "Write it with pl.col(...)."))
            continue
        wanted = expression.meta.root_names()
        found += texts.column_problems(spot, wanted, dict.fromkeys(available), "the features that derive can use")
        available = available | {name}
    return found

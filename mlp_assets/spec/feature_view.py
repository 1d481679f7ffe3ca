"""FeatureView: features of an entity out of a source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import polars as pl

from mlp_assets.spec import words
from mlp_assets.spec.aggregation import Aggregation
from mlp_assets.spec.entity import Entity
from mlp_assets.spec.errors import Problem
from mlp_assets.spec.source import Source, cadence_problems

Derive = Callable[[], Mapping[str, pl.Expr]]


@dataclass(frozen=True, eq=False)
class FeatureView:
    """Features of an entity, recomputed at each step of a cadence from the events that were known by then.

    Args:
        name: lower-case identifier.
        entity, source: whose features, out of which events.
        features: feature name -> aggregation over a trailing window.
        every: the cadence, ``"1d"`` or ``"1w"``.
        derive: a function of a module that returns feature name -> Polars expression over the other features.
        ttl: how old a row may be and still be used, offline and online; None means for ever.
        online: whether the newest rows are published for look-ups by endpoints.
        fresh_within: how old the newest row may be before the view counts as stale.
    """

    name: str
    entity: Entity
    source: Source
    features: Mapping[str, Aggregation]
    every: str = "1d"
    derive: Derive | None = None
    ttl: str | None = None
    online: bool = False
    fresh_within: str | None = None
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", words.frozen_mapping(self.features))
        object.__setattr__(self, "tags", words.frozen_mapping(self.tags))

    @property
    def where(self) -> str:
        return f"FeatureView {self.name!r}"

    @property
    def ttl_length(self) -> timedelta | None:
        return words.duration(self.ttl) if self.ttl else None

    @property
    def lookback(self) -> timedelta:
        """The longest window: how far back a partition reads."""
        return max(feature.window for feature in self.features.values())

    @cached_property
    def derived(self) -> Mapping[str, pl.Expr]:
        """The derived features by name."""
        return words.frozen_mapping(self.derive() if self.derive is not None else {})

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, stored in this order."""
        return (*self.features, *self.derived)

    def problems(self) -> list[Problem]:
        found = words.name_problems(self.where, self.name)
        found += words.function_problems(self.where, "derive", self.derive)
        for name in ("every", "ttl", "fresh_within"):
            found += words.duration_problems(self.where, name, getattr(self, name))
        found += cadence_problems(self.where, self.every)
        if not self.features:
            fix = "Write features={'spend_30d': mlp.total('sales_value', over='30d')}, say."
            found.append(Problem(self.where, "it has no features", fix))
        if not found:
            found += self._ttl_problems()
        keys = f"source {self.source.name!r}"
        found += words.column_problems(self.where, self.entity.keys, self.source.columns, keys)
        for name, feature in self.features.items():
            found += self._feature_problems(name, feature)
        return found + self._derive_problems()

    def _ttl_problems(self) -> list[Problem]:
        if self.ttl is None or words.duration(self.ttl) >= words.duration(self.every):
            return []
        what = (
            f"ttl={self.ttl!r} is shorter than every={self.every!r}, so features would expire before they are renewed"
        )
        return [Problem(self.where, what, f"Write a ttl of {self.every!r} or more, or a shorter cadence.")]

    def _feature_problems(self, name: str, feature: Aggregation) -> list[Problem]:
        where = f"{self.where}, feature {name!r}"
        found = words.name_problems(where, name)
        if name in words.RESERVED_COLUMNS or name in self.entity.keys:
            found.append(Problem(where, "the name is taken by a key or a reserved column", "Choose another name."))
        if not isinstance(feature, Aggregation):  # pyright: ignore[reportUnnecessaryIsInstance]
            return [
                *found,
                Problem(where, f"{feature!r} is no aggregation", "Write mlp.total('column', over='30d'), say."),
            ]
        found += words.duration_problems(where, "over", feature.over)
        return found + words.column_problems(
            where, feature.columns, self.source.columns, f"source {self.source.name!r}"
        )

    def _derive_problems(self) -> list[Problem]:
        if self.derive is None or words.function_problems(self.where, "derive", self.derive):
            return []
        return derive_problems(self.where, self.derive, set(self.features) | set(self.entity.keys))


def derive_problems(where: str, derive: Derive, available: set[str]) -> list[Problem]:
    """Checks that ``derive()`` returns expressions over the available columns (or over those derived before)."""
    try:
        derived = dict(derive())
    except Exception as error:
        what = f"derive={derive.__qualname__} raised {type(error).__name__}: {error}"
        return [Problem(where, what, "It takes no arguments and returns {'name': polars expression}.")]
    found: list[Problem] = []
    for name, expression in derived.items():
        spot = f"{where}, derived feature {name!r}"
        if name in available:
            found.append(Problem(spot, "there is already a feature or key of this name", "Choose another name."))
        if not isinstance(expression, pl.Expr):  # pyright: ignore[reportUnnecessaryIsInstance]
            found.append(Problem(spot, f"{expression!r} is no Polars expression", "Write it with pl.col(...)."))
            continue
        wanted = expression.meta.root_names()
        found += words.column_problems(spot, wanted, dict.fromkeys(available), "the features that derive can use")
    return found

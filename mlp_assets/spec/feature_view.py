"""FeatureView: features of an entity out of a source."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import polars as pl

from mlp_assets.spec import words
from mlp_assets.spec.aggregation import WITHOUT_COLUMN, Aggregation
from mlp_assets.spec.entity import Entity
from mlp_assets.spec.errors import Problem
from mlp_assets.spec.noun import Noun
from mlp_assets.spec.shapes import shown
from mlp_assets.spec.source import Source, cadence_problems, number_problems, type_name

Derive = Callable[[], Mapping[str, pl.Expr]]


@dataclass(frozen=True, eq=False)
class FeatureView(Noun):
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
    def ttl_length(self) -> timedelta | None:
        return words.duration(self.ttl) if self.ttl else None

    @property
    def lookback(self) -> timedelta:
        """The longest window."""
        return max(feature.window for feature in self.features.values())

    @cached_property
    def derived(self) -> Mapping[str, pl.Expr]:
        """The derived features by name."""
        return words.frozen_mapping(self.derive() if self.derive is not None else {})

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, stored in this order."""
        return (*self.features, *self.derived)

    def own_problems(self) -> list[Problem]:
        found = words.function_problems(self.where, "derive", self.derive)
        for name in ("every", "ttl", "fresh_within"):
            found += words.duration_problems(self.where, name, getattr(self, name))
        found += cadence_problems(self.where, self.every)
        if not self.features:
            fix = "Write features={'spend_30d': mlp.total('sales_value', over='30d')}, say."
            found.append(Problem(self.where, "it has no features", fix))
        return found or self._ttl_problems()

    def linked_problems(self) -> list[Problem]:
        found = words.column_problems(self.where, self.entity.keys, self.source.columns, f"source {self.source.name!r}")
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
        found += words.duration_problems(where, "over", feature.over)
        found += words.column_problems(where, feature.columns, self.source.columns, f"source {self.source.name!r}")
        if feature.column is None and feature.kind not in WITHOUT_COLUMN:
            fix = f"Write mlp.{feature.kind}('amount', over={feature.over!r}), say."
            found.append(Problem(where, f"mlp.{feature.kind} has no column", fix))
        if feature.column is not None and feature.kind != "count_distinct":
            found += number_problems(where, "column", [feature.column], self.source)
        if feature.where is not None and not found:
            found += _condition_problems(where, feature.where, self.source)
        return found

    def _derive_problems(self) -> list[Problem]:
        if self.derive is None or words.function_problems(self.where, "derive", self.derive):
            return []
        return derive_problems(self.where, self.derive, set(self.features) | set(self.entity.keys))


def _condition_problems(where: str, condition: pl.Expr, source: Source) -> list[Problem]:
    """Computes a condition on a table of the source's columns that has no rows, to learn its type."""
    utc = pl.Datetime("us", "UTC")
    schema = {name: utc if dtype == pl.Datetime else dtype for name, dtype in source.columns.items()}
    try:
        found = pl.DataFrame(schema=schema).select(condition).dtypes
    except pl.exceptions.PolarsError as error:
        return [Problem(where, f"where cannot be computed: {str(error).splitlines()[0]}", "Mend it; times are in UTC.")]
    if found == [pl.Boolean]:
        return []
    what = f"where gives {', '.join(type_name(dtype) for dtype in found)}, and one truth value is wanted"
    return [Problem(where, what, "Write a condition, such as pl.col('amount') > 1.")]


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
        found += words.name_problems(spot, name)
        if name in available or name in taken or name in words.RESERVED_COLUMNS:
            what = "the name is taken by another column"
            found.append(Problem(spot, what, "Choose another name."))
        if not isinstance(expression, pl.Expr):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's may be
            found.append(Problem(spot, f"{shown(expression)} is no Polars expression", "Write it with pl.col(...)."))
            continue
        wanted = expression.meta.root_names()
        found += words.column_problems(spot, wanted, dict.fromkeys(available), "the features that derive can use")
        available = available | {name}
    return found

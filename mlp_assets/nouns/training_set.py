"""TrainingSet: labels, the features that a request at the time of each label was given, and the split into parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.label_delay import delay_problems
from mlp_assets.nouns.checks.logged_features import logged_problems
from mlp_assets.nouns.checks.named import Named
from mlp_assets.nouns.entity import Entity
from mlp_assets.nouns.feature_view import Derive, FeatureView, derive_problems, exact_derived
from mlp_assets.nouns.noun import LATER, Noun, later_field
from mlp_assets.nouns.source import Source, column_types, held_problems, is_number, request_problems, type_name

if TYPE_CHECKING:
    from mlp_assets.nouns.endpoint import Endpoint

Availability = Literal["served", "declared", "known"]


@dataclass(frozen=True)
class SplitByTime:
    """Splits the labelled time: the newest ``test`` for the gates, the ``validation`` before it for early stopping.

    ``train`` limits how far back training rows go. None means no limit.
    """

    validation: str = "2w"
    test: str = "4w"
    train: str | None = None

    def problems(self, where: str) -> list[Problem]:
        problems: list[Problem] = []
        for name in ("validation", "test", "train"):
            problems += texts.duration_problems(f"{where}, split", name, getattr(self, name))
        return problems


@dataclass(frozen=True)
class SplitByGroup:
    """Puts all rows with the same value of a column into the same part, by a hash of the value.

    For rows that resemble each other within a group, such as texts. To predict the future, split by time instead.

    Args:
        by: a column of the labels, or a key.
        validation: share of the groups.
        test: share of the groups.
        seed: another seed assigns the groups to other parts.
    """

    by: str
    validation: float = 0.1
    test: float = 0.2
    seed: int = 0

    def problems(self, where: str) -> list[Problem]:
        shares = (self.validation, self.test)
        if all(share > 0 for share in shares) and sum(shares) < 1:
            return []
        what = f"validation={self.validation:g} and test={self.test:g} leave no groups for training, or are not above 0"
        return [Problem(f"{where}, split", what, "Write validation=0.1, test=0.2, for example.")]


@dataclass(frozen=True, eq=False)
class TrainingSet(Noun):
    """Rows to learn from. Each holds only what a request at its own time would have been given.

    Args:
        name: lower-case identifier.
        labels: a source of keys, an event time (when the prediction is asked for) and the target.
        target: the column of ``labels`` that the model predicts.
        features: feature views, joined by the keys of their entities.
        entity: what a row is about, if there are no views or their entities do not cover it.
        request: columns of ``labels`` that the caller of the endpoint sends with the request.
        derive: a function that returns feature name -> Polars expression over features and request columns.
        split: how the rows are divided into train, validation and test.
        since: leaves out rows before this date, for example while windows are still filling.
        availability: which feature rows a training row sees. ``"served"``: those that a request at its time would have
            been given, by the record of publications. ``"declared"``: the same by the declared cadence alone, without
            late and failed publications. ``"known"``: all that had happened and were known, for batch scores.
        trust: features that may almost determine the target. Any other feature that does counts as a leak.
        features_from: an endpoint. The features, request columns and time of a row are then those that it logged with
            the prediction that the label is about, by the column ``prediction_id`` of the labels.
    """

    name: str
    labels: Source
    target: str
    features: Sequence[FeatureView] = ()
    request: Sequence[str] = ()
    derive: Derive | None = None
    split: SplitByTime | SplitByGroup = field(default_factory=SplitByTime)
    since: str | None = None
    trust: Sequence[str] = ()
    entity: Entity | None = None
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    availability: Literal["served", "declared", "known"] = later_field("served")
    features_from: Named | None = field(default=None, metadata={LATER: True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", texts.frozen_sequence(self.features))
        object.__setattr__(self, "trust", texts.frozen_sequence(self.trust))
        object.__setattr__(self, "request", texts.frozen_sequence(self.request))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns of a row: the keys of its entity and of its views' entities, each once."""
        own = self.entity.keys if self.entity is not None else ()
        return tuple(dict.fromkeys([*own, *(key for view in self.features for key in view.entity.keys)]))

    @property
    def logged_by(self) -> "Endpoint | None":
        """The endpoint whose log holds the features; None if they are joined by time."""
        from mlp_assets.nouns.endpoint import Endpoint  # an endpoint refers to training sets

        return self.features_from if isinstance(self.features_from, Endpoint) else None

    @property
    def stored_names(self) -> tuple[str, ...]:
        """The features of the views."""
        return tuple(name for view in self.features for name in view.feature_names)

    @cached_property
    def derived(self) -> Mapping[str, pl.Expr]:
        """Derived feature name -> expression. Its numbers neither wrap around nor lose digits."""
        derived = self.derive() if self.derive is not None else {}
        plain = {name: self.type_of(name) for name in (*self.request, *self.keys) if name in self.labels.columns}
        numbers = {name for name in (*self.stored_names, *self.request) if is_number(plain.get(name, pl.Float64))}
        return texts.frozen_mapping(exact_derived(derived, column_types(plain | dict.fromkeys(numbers, pl.Float64))))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All features in order: features of the views, request columns, derived features."""
        return (*self.stored_names, *self.request, *self.derived)

    def type_of(self, name: str) -> Any:
        """The Polars type of a key or feature: that of the labels for keys and request columns, Float64 for others."""
        if name in self.request and self.logged_by is not None:
            return self.logged_by.model.training_set.type_of(name)
        return self.labels.columns[name] if name in (*self.request, *self.keys) else pl.Float64

    @property
    def numbers(self) -> tuple[str, ...]:
        """The features that are numbers: all except texts and lists in the request."""
        return tuple(name for name in self.feature_names if is_number(self.type_of(name)))

    def own_problems(self) -> list[Problem]:
        problems = self.split.problems(self.where) + texts.moment_problems(self.where, "since", self.since)
        if not self.features and self.entity is None:
            fix = "Write features=[a_feature_view], or the entity=... that its rows are about."
            problems.append(Problem(self.where, "it has no features", fix))
        problems += self._source_problems() + texts.reserved_problems(self.where, "target", [self.target])
        problems += texts.reserved_problems(self.where, "request column", self.request)
        return problems + texts.function_problems(self.where, "derive", self.derive)

    def _source_problems(self) -> list[Problem]:
        if self.features_from is None:
            return []
        if self.logged_by is None:
            what = f"features_from={self.features_from.where}, which logs no predictions"
            return [Problem(self.where, what, "Write features_from=an_endpoint.")]
        if self.availability == "served":
            return []
        what = f"availability={self.availability!r}, but its features are those that {self.logged_by.where} served"
        return [Problem(self.where, what, "Leave availability out, or features_from.")]

    def linked_problems(self) -> list[Problem]:
        labels, sent = f"labels {self.labels.name!r}", self.request if self.logged_by is None else ()
        problems = texts.column_problems(self.where, [self.target, *sent], self.labels.columns, labels)
        if self.logged_by is not None:
            problems += logged_problems(self, self.logged_by)
        if isinstance(self.split, SplitByGroup):
            problems += texts.column_problems(f"{self.where}, split", [self.split.by], self.labels.columns, labels)
        if self.entity is not None:
            spot = f"{self.where}, keys of entity {self.entity.name!r}"
            problems += texts.column_problems(spot, self.entity.keys, self.labels.columns, labels)
        if isinstance(self.split, SplitByTime):
            problems += delay_problems(self.where, self.labels, self.split.validation)
        problems += self._target_problems() + request_problems(self.where, sent, self.labels)
        if not self.labels.ingested:
            problems += held_problems(self.where, [*self.keys, *sent], self.labels)
        for view in self.features:
            spot = f"{self.where}, keys of view {view.name!r}"
            problems += texts.column_problems(spot, view.entity.keys, self.labels.columns, labels)
            problems += self._key_type_problems(spot, view) + self._online_problems(view)
        return problems + (self._name_problems() + self._derive_problems() or self._trust_problems())

    def _online_problems(self, view: FeatureView) -> list[Problem]:
        if view.online or self.availability != "served":
            return []
        what = f"view {view.name!r} is not online, so no request sees its features, but availability='served'"
        fix = f"Write online=True in view {view.name!r}, or availability='known' here if no endpoint will serve."
        return [Problem(self.where, what, fix)]

    def _target_problems(self) -> list[Problem]:
        dtype = self.labels.columns.get(self.target, pl.String)
        if dtype == pl.String or is_number(dtype):
            return []
        what = f"target {self.target!r} is {type_name(dtype)}, which is neither a number nor a text"
        return [Problem(self.where, what, "Write a column of numbers, of pl.Boolean or pl.String.")]

    def _trust_problems(self) -> list[Problem]:
        if any(view.problems() for view in self.features):
            return []
        return texts.column_problems(self.where, self.trust, dict.fromkeys(self.feature_names), "its features")

    def _key_type_problems(self, spot: str, view: FeatureView) -> list[Problem]:
        ours, theirs = self.labels.columns, view.root.columns
        return [
            Problem(
                spot,
                f"{key!r} is {type_name(ours[key])} in {self.labels.where} and {type_name(theirs[key])} in "
                f"{view.root.where}, so their rows cannot be joined",
                "Declare the same type in both.",
            )
            for key in view.entity.keys
            if key in ours and key in theirs and ours[key] != theirs[key]
        ]

    def _name_problems(self) -> list[Problem]:
        """All columns of a row need different names, and no other column may be the target."""
        parts = [(key, "a key") for key in self.keys]
        parts.append((self.labels.event_time, "the time of the labels"))
        for view in self.features:
            names = view.features if view.problems() else view.feature_names
            parts += [(name, f"feature {name!r} of view {view.name!r}") for name in names]
        parts += [(name, f"request column {name!r}") for name in self.request]
        problems: list[Problem] = []
        seen: dict[str, str] = {}
        for name, part in parts:
            if name == self.target:
                problems.append(self._label_leak(part))
            elif name in seen:
                what = f"{part} has the same name as {seen[name]}"
                problems.append(Problem(self.where, what, "Rename one of the two, or leave it out."))
            seen.setdefault(name, part)
        return problems

    def _label_leak(self, column: str) -> Problem:
        fix = "Remove it: the target is not known yet when the prediction is asked for."
        return Problem(self.where, f"{column} is the target itself", fix)

    def _derive_problems(self) -> list[Problem]:
        unusable = texts.function_problems(self.where, "derive", self.derive)
        if self.derive is None or unusable or any(view.problems() for view in self.features):
            return []
        stored = {name for view in self.features for name in view.feature_names}
        available = stored | set(self.request) | set(self.keys)
        return derive_problems(self.where, self.derive, available, taken={self.target, self.labels.event_time})

"""Endpoint: which model serves over HTTP, and how it scales."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.noun import Noun
from mlp_assets.nouns.source import type_name

_ROUTE = re.compile(r"(/[a-z0-9][a-z0-9_-]*)+")
# Polars types that the request protocol has a datatype for.
REQUEST_TYPES = ("Int64", "Float64", "String", "Boolean")


@dataclass(frozen=True, eq=False)
class Endpoint(Noun):
    """Serves a model's champion over HTTP, in the Open Inference Protocol (V2 REST).

    Args:
        name: lower-case identifier; also the model name in the protocol's paths.
        model: the model whose champion is served.
        route: URL prefix. Default: ``/<name>``.
        replicas: smallest and largest number of replicas.
        cpus: cores that a replica reserves in the Ray cluster. Fractions suit small models.
        max_rows: maximum number of rows in one request.
        on_unknown: what happens if a view has no row for an entity. ``"null"`` predicts with the view's features
            missing and says so in the answer. ``"error"`` refuses the request.
        on_expired: the same if the row is past its TTL.
        on_partial: the same if some features of the row are missing.
    """

    name: str
    model: Model
    route: str | None = None
    replicas: tuple[int, int] = (1, 1)
    cpus: float = 0.1
    max_rows: int = 1000
    on_unknown: Literal["null", "error"] = "null"
    on_expired: Literal["null", "error"] = "null"
    on_partial: Literal["null", "error"] = "null"
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "replicas", texts.frozen_sequence(self.replicas))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    @property
    def url_path(self) -> str:
        return self.route if self.route is not None else f"/{self.name}"

    @property
    def refuses(self) -> tuple[str, ...]:
        """Which kinds of missing features refuse a request: "unknown", "expired", "partial"."""
        policy = {"unknown": self.on_unknown, "expired": self.on_expired, "partial": self.on_partial}
        return tuple(reason for reason, answer in policy.items() if answer == "error")

    def own_problems(self) -> list[Problem]:
        problems: list[Problem] = []
        if self.route is not None and not _ROUTE.fullmatch(self.route):
            problems.append(
                Problem(self.where, f"route={self.route!r} is not a URL path", f"Write route='/{self.name}'.")
            )
        if not 1 <= self.replicas[0] <= self.replicas[1]:
            what = f"replicas={self.replicas!r} is not (smallest, largest) with at least 1"
            problems.append(Problem(self.where, what, "Write replicas=(1, 4)."))
        if self.cpus <= 0:
            problems.append(Problem(self.where, f"cpus={self.cpus} reserves nothing", "Write cpus=0.1, for example."))
        if not 1 <= self.max_rows <= 100_000:
            problems.append(
                Problem(
                    self.where,
                    f"max_rows={self.max_rows} is not between 1 and 100000",
                    "Write max_rows=1000, for example.",
                )
            )
        return problems

    def linked_problems(self) -> list[Problem]:
        return self._online_problems() + self._type_problems()

    def _type_problems(self) -> list[Problem]:
        training_set = self.model.training_set
        names = [*training_set.keys, *training_set.request]
        usable = {*training_set.labels.columns, *(training_set.request if training_set.logged_by is not None else ())}
        types = {name: training_set.type_of(name) for name in names if name in usable}
        return [
            Problem(
                self.where,
                f"callers send column {name!r}, which is {type_name(dtype)}, a type that requests cannot carry",
                f"Declare it as one of {', '.join(f'pl.{kind}' for kind in REQUEST_TYPES)} in its sources.",
            )
            for name, dtype in types.items()
            if str(dtype) not in REQUEST_TYPES and not (name in training_set.request and isinstance(dtype, pl.List))
        ]

    def _online_problems(self) -> list[Problem]:
        views = [view for view in self.model.training_set.features if not view.online]
        return [
            Problem(
                self.where,
                f"its model {self.model.name!r} trains on features of view {view.name!r}, which is not online",
                f"Write online=True on FeatureView {view.name!r}, or take it out of the training set.",
            )
            for view in views
        ]

"""Project: a team's assets. Creating one checks the whole graph and reports every problem at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from mlp_assets.errors import Problem, ProjectError
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.graph import ASSETS, Asset, CycleError, Spec, reachable
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.noun import Noun, instances_of
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Project(Noun):
    """One team's assets: the listed specs and everything that they refer to.

    Args:
        name: lower-case identifier. The first part of every asset key.
        owner: an e-mail address, or ``"team:<name>"``.
        assets: the outermost specs. The specs that they refer to follow from them.
        uses: other projects whose assets this one refers to. Those projects keep owning them.

    Raises:
        ProjectError: with every problem of the graph.
    """

    needs_owner = True
    name: str
    owner: str
    assets: Sequence[Asset]
    uses: Sequence["Project"] = ()
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assets", texts.frozen_sequence(self.assets))
        object.__setattr__(self, "uses", texts.frozen_sequence(self.uses))
        problems = self.problems()
        if problems:
            raise ProjectError(self.name, tuple(problems))

    @cached_property
    def used(self) -> tuple["Project", ...]:
        """The projects in ``uses`` and the projects that they use, each once."""
        direct = instances_of(self.uses, Project)
        return tuple({id(project): project for user in direct for project in (user, *user.used)}.values())

    @cached_property
    def specs(self) -> tuple[Spec, ...]:
        """Every spec that the project owns, in dependency order. Specs of the projects that it uses are left out."""
        foreign = {id(spec) for project in self.used for spec in project.specs}
        return tuple(spec for spec in reachable(instances_of(self.assets, ASSETS)) if id(spec) not in foreign)

    def home_of(self, spec: Spec) -> "Project":
        """The project that owns a spec: this one, or one that it uses."""
        homes = [project for project in self.used if any(spec is owned for owned in project.specs)]
        return homes[0] if homes else self

    def specs_of(self, noun: type[T]) -> tuple[T, ...]:
        """Its own specs of one noun."""
        return tuple(spec for spec in self.specs if isinstance(spec, noun))

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, Source))

    @property
    def feature_views(self) -> tuple[FeatureView, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, FeatureView))

    @property
    def training_sets(self) -> tuple[TrainingSet, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, TrainingSet))

    @property
    def models(self) -> tuple[Model, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, Model))

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, Endpoint))

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, Monitor))

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the project and with its specs."""
        return [*self.field_problems(), *self._graph_problems()]

    def own_problems(self) -> list[Problem]:
        problems: list[Problem] = []
        if not self.assets:
            what = "it has no assets"
            problems.append(
                Problem(self.where, what, "Write assets=[...] with the monitors, endpoints or models that you want.")
            )
        for name, count in Counter(project.name for project in (self, *self.used)).items():
            if count > 1:
                what = f"{count} projects that are used together have the name {name!r}"
                problems.append(
                    Problem(self.where, what, "Rename one: asset keys and tables begin with the project's name.")
                )
        return problems

    def _graph_problems(self) -> list[Problem]:
        try:
            specs = self.specs
        except CycleError as error:
            fix = "Remove one of the references. A monitor triggers retraining by retrain=True, not by a reference."
            return [Problem(self.where, f"specs refer to each other in a circle: {error}", fix)]
        problems = [problem for spec in specs for problem in spec.problems()]
        valid = [spec for spec in specs if spec.has_valid_types]
        endpoints = [spec for spec in valid if isinstance(spec, Endpoint)]
        return problems + _duplicate_names(valid) + _duplicate_routes(endpoints)


def _duplicate_names(specs: Sequence[Spec]) -> list[Problem]:
    counts = Counter((type(spec).__name__, spec.name) for spec in specs)
    return [
        Problem(
            f"{noun} {name!r}",
            f"{count} different objects have this name",
            "Rename all but one, or use the same object.",
        )
        for (noun, name), count in counts.items()
        if count > 1
    ]


def _duplicate_routes(endpoints: Sequence[Endpoint]) -> list[Problem]:
    problems: list[Problem] = []
    first: dict[str, str] = {}
    for endpoint in endpoints:
        route = endpoint.url_path
        if route in first and first[route] != endpoint.name:
            what = f"route {route!r} is already taken by endpoint {first[route]!r}"
            problems.append(Problem(endpoint.where, what, f"Write route='/{endpoint.name}', for example."))
        first.setdefault(route, endpoint.name)
    return problems

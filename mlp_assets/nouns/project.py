"""Project: a team's assets. Making one checks the whole graph and reports every problem at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mlp_assets.errors import Problem, ProjectError
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.graph import ASSETS, Asset, CycleError, Spec, reached
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.nouns.noun import Noun, chosen
from mlp_assets.nouns.source import Source
from mlp_assets.nouns.training_set import TrainingSet


@dataclass(frozen=True, eq=False)
class Project(Noun):
    """One team's set of assets: those named and all that they refer to.

    Args:
        name: lower-case identifier; the first part of every asset key.
        owner: an e-mail address, or ``"team:<name>"``.
        assets: the outermost specs; what they refer to is reached from them.
        uses: other projects whose assets this one refers to; those stay theirs.

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
        """The projects in ``uses`` and those that they use, each once."""
        every = {id(found): found for project in chosen(self.uses, Project) for found in (project, *project.used)}
        return tuple(every.values())

    @cached_property
    def specs(self) -> tuple[Spec, ...]:
        """Every spec of its own, what is referred to first; those of the projects that it uses are left out."""
        foreign = {id(spec) for project in self.used for spec in project.specs}
        return tuple(spec for spec in reached(chosen(self.assets, ASSETS)) if id(spec) not in foreign)

    def home_of(self, spec: Spec) -> "Project":
        """The project that owns a spec: this one or one of those that it uses."""
        homes = [project for project in self.used if any(spec is theirs for theirs in project.specs)]
        return homes[0] if homes else self

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
        found: list[Problem] = []
        if not self.assets:
            what = "it has no assets"
            found.append(Problem(self.where, what, "Write assets=[the monitors, endpoints or models you want]."))
        for name, count in Counter(project.name for project in (self, *self.used)).items():
            if count > 1:
                what = f"{count} projects that go together have the name {name!r}"
                found.append(Problem(self.where, what, "Rename one: keys and tables begin with it."))
        return found

    def _graph_problems(self) -> list[Problem]:
        try:
            specs = self.specs
        except CycleError as error:
            fix = "Take one of the references out; a monitor triggers retraining by retrain=True, not by a reference."
            return [Problem(self.where, f"specs refer to each other in a circle: {error}", fix)]
        found = [problem for spec in specs for problem in spec.problems()]
        named = [spec for spec in specs if spec.well_shaped]
        return found + _duplicate_names(named) + _duplicate_routes([one for one in named if isinstance(one, Endpoint)])


def _duplicate_names(specs: Sequence[Spec]) -> list[Problem]:
    counts = Counter((type(spec).__name__, spec.name) for spec in specs)
    return [
        Problem(
            f"{noun} {name!r}", f"{count} different objects have this name", "Rename all but one, or use one object."
        )
        for (noun, name), count in counts.items()
        if count > 1
    ]


def _duplicate_routes(endpoints: Sequence[Endpoint]) -> list[Problem]:
    found: list[Problem] = []
    first: dict[str, str] = {}
    for endpoint in endpoints:
        route = endpoint.url_path
        if route in first and first[route] != endpoint.name:
            what = f"route {route!r} is already that of endpoint {first[route]!r}"
            found.append(Problem(endpoint.where, what, f"Write route='/{endpoint.name}', say."))
        first.setdefault(route, endpoint.name)
    return found

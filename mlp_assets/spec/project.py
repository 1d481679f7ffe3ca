"""Project: a team's assets. Making one checks the whole graph and reports every problem at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mlp_assets.spec import words
from mlp_assets.spec.endpoint import Endpoint
from mlp_assets.spec.entity import Entity
from mlp_assets.spec.errors import Problem, ProjectError
from mlp_assets.spec.feature_view import FeatureView
from mlp_assets.spec.graph import ASSETS, Asset, CycleError, Spec, reached, wrong_references
from mlp_assets.spec.model import Model
from mlp_assets.spec.monitor import Monitor
from mlp_assets.spec.source import Source
from mlp_assets.spec.training_set import TrainingSet


@dataclass(frozen=True, eq=False)
class Project:
    """One team's set of assets: those named and all that they refer to.

    Args:
        name: lower-case identifier; the first part of every asset key.
        owner: an e-mail address, or ``"team:<name>"``.
        assets: the outermost specs; what they refer to is reached from them.
        uses: other projects whose assets this one refers to; those stay theirs.

    Raises:
        ProjectError: with every problem of the graph.
    """

    name: str
    owner: str
    assets: Sequence[Asset]
    uses: Sequence["Project"] = ()
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "assets", words.frozen_sequence(self.assets))
        object.__setattr__(self, "uses", words.frozen_sequence(self.uses))
        problems = self.problems()
        if problems:
            raise ProjectError(self.name, tuple(problems))

    @cached_property
    def specs(self) -> tuple[Spec, ...]:
        """Every spec of its own, what is referred to first; those of the projects in ``uses`` are left out."""
        foreign = {id(spec) for project in self.uses for spec in project.specs}
        return tuple(spec for spec in reached(self.assets) if id(spec) not in foreign)

    def home_of(self, spec: Spec) -> "Project":
        """The project that owns a spec: this one or one of ``uses``."""
        homes = [project for project in self.uses if any(spec is theirs for theirs in project.specs)]
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
        where = f"Project {self.name!r}"
        found = words.name_problems(where, self.name)
        if not (self.owner.startswith("team:") and len(self.owner) > 5) and "@" not in self.owner:
            fix = f"Write owner='team:{self.name}' or an e-mail address."
            found.append(Problem(where, f"owner={self.owner!r} is nobody", fix))
        if not self.assets:
            found.append(
                Problem(where, "it has no assets", "Write assets=[the monitors, endpoints or models you want].")
            )
        for asset in self.assets:
            if not isinstance(asset, ASSETS):  # pyright: ignore[reportUnnecessaryIsInstance]
                found.append(Problem(where, f"assets holds {asset!r}, which is no spec", "Write the object itself."))
        return found or self._graph_problems(where)

    def _graph_problems(self, where: str) -> list[Problem]:
        try:
            specs = self.specs
        except CycleError as error:
            fix = "Take one of the references out; a monitor triggers retraining by retrain=True, not by a reference."
            return [Problem(where, f"specs refer to each other in a circle: {error}", fix)]
        wrong = [
            Problem(spec.where, f"{field}={written!r} is no {noun}", f"Write the {noun} object itself, not its name.")
            for spec in specs
            for field, written, noun in wrong_references(spec)
        ]
        if wrong:
            return wrong + [p for spec in specs if isinstance(spec, Entity | Source) for p in spec.problems()]
        found = [problem for spec in specs for problem in spec.problems()]
        return found + _duplicate_names(specs) + _duplicate_routes(self.endpoints)


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

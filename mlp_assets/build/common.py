"""What every asset of the platform has: key, group, owners, kinds, tags, code version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg

from mlp_assets.build.code_version import code_version
from mlp_assets.spec.project import Project
from mlp_resources.environments import Environment


class Described(Protocol):
    """The prose of a spec."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def tags(self) -> Any: ...


@dataclass(frozen=True)
class Scope:
    """What the builders of one project share."""

    project: Project
    environment: Environment

    def home(self, spec: Any) -> str:
        """The name of the project that owns the spec."""
        return self.project.home_of(spec).name

    def arguments(
        self,
        spec: Described,
        kinds: Sequence[str],
        what: str,
        functions: Sequence[Callable[..., object] | None] = (),
    ) -> dict[str, Any]:
        """The arguments that every ``dg.asset`` of the project gets. ``what`` describes it when the spec does not."""
        return {
            "group_name": self.project.name,
            "owners": [spec.owner or self.project.owner],
            "kinds": set(kinds),
            "tags": {f"mlp/{key}": str(value) for key, value in spec.tags.items()},
            "description": spec.description or what,
            "code_version": code_version(spec, *functions),
        }

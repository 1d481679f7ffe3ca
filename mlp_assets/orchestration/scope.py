"""Attributes that every asset of the platform has: key, group, owners, kinds, tags, code version."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg

from mlp_assets.nouns.project import Project
from mlp_assets.orchestration.code_version import code_version
from mlp_resources.ports.environment import Environment


class Described(Protocol):
    """Name, description, owner and tags of a spec."""

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
    """A project with its environment: what its assets are built from."""

    project: Project
    environment: Environment

    def home(self, spec: Any) -> str:
        """The name of the project that owns the spec."""
        return self.project.home_of(spec).name

    def owning(self, spec: Any) -> "Scope":
        """The scope of the project that owns the spec."""
        return Scope(self.project.home_of(spec), self.environment)

    def asset(
        self,
        *,
        key: dg.AssetKey,
        spec: Described,
        kinds: Sequence[str],
        what: str,
        functions: Sequence[Callable[..., object] | None] = (),
        **options: Any,
    ) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """``dg.asset`` with the attributes that every asset of the project has.

        Args:
            what: the first sentence of the description; the spec's own description follows.
            functions: user functions that the code version covers.
        """
        return _quietly(
            dg.asset,
            key=key,
            group_name=self.project.name,
            owners=[spec.owner or self.project.owner],
            kinds=set(kinds),
            tags={f"mlp/{key}": str(value) for key, value in spec.tags.items()},
            description=f"{what} {spec.description}".strip(),
            code_version=code_version(spec, *functions),
            **options,
        )


def _quietly(decorator: Callable[..., Any], **options: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Hides the warning that backfill policies are beta: our bounds on Dagster's version cover that."""

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            return decorator(**options)(function)

    return decorate

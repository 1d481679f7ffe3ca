"""Previews a changed project file: features that change, assets that become stale, endpoints that use them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import dagster as dg

from mlp_assets.features.definitions.in_use import live_lookups
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_notes import FeatureDefinition, conflicting_grid, definitions_of, recorded_definitions
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope

Kind = Literal["new", "changed", "removed", "renamed"]


@dataclass(frozen=True)
class FeatureChange:
    """A feature whose definition differs from the one that its table was last computed by.

    Args:
        name: the present name; the former name of a removed feature.
        before, after: formulas; names, for a renamed feature.
        endpoints: live endpoints that look the feature up now.
    """

    view: str
    name: str
    kind: Kind
    before: str | None
    after: str | None
    endpoints: tuple[str, ...]


@dataclass(frozen=True)
class Stale:
    """An asset that was materialized by another definition, or that depends on such an asset."""

    asset: str
    because: str
    partitions: int


@dataclass(frozen=True)
class Consequences:
    """The consequences of a project file.

    Args:
        refused: changes that an existing table does not allow, one sentence each.
        gone: materialized assets that are no longer declared.
        uncomputed: views of which nothing was ever computed, so that none of their features changes.
        new: assets that were never materialized.
    """

    features: tuple[FeatureChange, ...]
    stale: tuple[Stale, ...]
    refused: tuple[str, ...]
    gone: tuple[str, ...]
    uncomputed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether a live endpoint looks up a changed feature, or a run would be refused."""
        return bool(self.refused or any(change.endpoints for change in self.features))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"breaks": self.breaks}


def find_consequences(scopes: Sequence[Scope], graph: Any, instance: dg.DagsterInstance) -> Consequences:
    """Compares the projects with the assets that were materialized.

    Args:
        graph: the asset graph of their definitions.
    """
    views = [(scope, view, _recorded(scope, view)) for scope in scopes for view in scope.project.feature_views]
    changed = [change for scope, view, before in views for change in _feature_changes(scope, view, before)]
    return Consequences(
        tuple(changed),
        tuple(_stale(graph, instance)),
        tuple(problem for scope in scopes for problem in _refused(scope)),
        tuple(_gone([scope.project for scope in scopes], graph, instance)),
        tuple(f"{scope.project.name}.{view.name}" for scope, view, before in views if not before),
        tuple(_new([scope.project for scope in scopes], graph, instance)),
    )


def _feature_changes(scope: Scope, view: FeatureView, before: Mapping[str, FeatureDefinition]) -> list[FeatureChange]:
    after = definitions_of(view)
    if not before:
        return []
    removed = {name: definition for name, definition in before.items() if name not in after}
    new = {name: definition for name, definition in after.items() if name not in before}
    renamed = _renamed(removed, new)
    path, used = f"{scope.project.name}.{view.name}", live_lookups(scope, view)

    def change(name: str, kind: Kind, was: str | None, now: str | None, live: str) -> FeatureChange:
        return FeatureChange(path, name, kind, was, now, used.get(live, ()))

    kept = [name for name in after if name in before and before[name].fingerprint != after[name].fingerprint]
    return [
        *(change(now, "renamed", was, now, live=was) for was, now in renamed.items()),
        *(change(name, "removed", old.formula, None, name) for name, old in removed.items() if name not in renamed),
        *(change(name, "new", None, now.formula, name) for name, now in new.items() if name not in renamed.values()),
        *(change(name, "changed", before[name].formula, after[name].formula, name) for name in kept),
    ]


def _recorded(scope: Scope, view: FeatureView) -> Mapping[str, FeatureDefinition]:
    return recorded_definitions(scope, keys.table(keys.features(scope.project.name, view)))


def _renamed(removed: Mapping[str, FeatureDefinition], new: Mapping[str, FeatureDefinition]) -> dict[str, str]:
    """Old name -> new name, for features that are computed in the same way."""
    renamed: dict[str, str] = {}
    for was, old in removed.items():
        same = [name for name, other in new.items() if other.fingerprint == old.fingerprint]
        free = [name for name in same if name not in renamed.values()]
        renamed |= {was: free[0]} if free else {}
    return renamed


def _stale(graph: Any, instance: dg.DagsterInstance) -> list[Stale]:
    assets = sorted(graph.materializable_asset_keys)
    recorded = instance.get_latest_materialization_code_versions(assets)
    because: dict[dg.AssetKey, str] = {
        key: "its definition changed"
        for key in assets
        if recorded.get(key) is not None and recorded[key] != graph.get(key).code_version
    }
    for key in graph.toposorted_asset_keys:
        parents = [parent for parent in graph.get(key).parent_keys if parent in because]
        if parents and key not in because and recorded.get(key) is not None:
            because[key] = f"computed from {parents[0].to_user_string()}"
    return [
        Stale(key.to_user_string(), why, len(instance.get_materialized_partitions(key))) for key, why in because.items()
    ]


def _refused(scope: Scope) -> list[str]:
    ingested = [source for source in scope.project.sources if source.ingested]
    problems: list[str] = []
    for rows in (*ingested, *scope.project.feature_views):
        grid = conflicting_grid(scope, rows, lake_table(scope, rows))
        if grid is not None:
            problems.append(
                f"{rows.where}: the partitions of its table begin {grid}; keep start and every as they were"
            )
    return problems


def _new(projects: Sequence[Project], graph: Any, instance: dg.DagsterInstance) -> list[str]:
    names = {project.name for project in projects}
    known = set(instance.get_asset_keys())
    declared = (key for key in graph.executable_asset_keys if key.path[0] in names)
    return sorted(key.to_user_string() for key in declared if key not in known)


def _gone(projects: Sequence[Project], graph: Any, instance: dg.DagsterInstance) -> list[str]:
    declared = graph.get_all_asset_keys()
    known = [key for project in projects for key in instance.get_asset_keys(prefix=[project.name])]
    return sorted(key.to_user_string() for key in known if key not in declared)

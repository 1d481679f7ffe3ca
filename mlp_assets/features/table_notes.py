"""Records feature definitions in commit metadata, and rejects writes whose partition grid changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlp_assets.errors import LakeError
from mlp_assets.features.compute.lineage import formula
from mlp_assets.nouns.cadence import WEEK, Moments
from mlp_assets.nouns.checks.cadences import written
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.code_version import fingerprint
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table

_GRID, _FEATURES = "grid", "features"


@dataclass(frozen=True)
class FeatureDefinition:
    """How a feature is computed.

    Args:
        formula: as a user would write it.
        fingerprint: changes when the computation does.
    """

    formula: str
    fingerprint: str


def definitions_of(view: FeatureView) -> dict[str, FeatureDefinition]:
    """Feature -> its current definition."""
    how = {"empty": view.empty} if view.empty != "zero" else None
    aggregated = {name: fingerprint((feature, how) if how else feature) for name, feature in view.features.items()}
    return {
        name: FeatureDefinition(formula(view, name), aggregated.get(name) or fingerprint(view.derived[name]))
        for name in view.feature_names
    }


def recorded_definitions(scope: Scope, table: Table, version: int | None = None) -> dict[str, FeatureDefinition]:
    """Feature -> its definition at the last write of the view's table up to the version; empty if there was none."""
    notes: Mapping[str, list[str]] = json.loads(scope.environment.lake.notes(table, version).get(_FEATURES, "{}"))
    return {name: FeatureDefinition(*stored) for name, stored in notes.items()}


def grid_of(rows: Source | FeatureView) -> str:
    """The days on which partitions begin, in words; and of a view with other moments, how often those are."""
    moments = Moments.of(rows)
    days = f"every week, on {moments.start:%A}s" if moments.partition == WEEK else "every day"
    others = isinstance(rows, FeatureView) and moments.every != moments.partition
    return f"{days}, with rows every {written(moments.every)}" if others else days


def notes_for(rows: Source | FeatureView) -> dict[str, str]:
    """The notes to leave with a write of a source's or view's table."""
    notes = {_GRID: grid_of(rows)}
    if isinstance(rows, FeatureView):
        definitions = definitions_of(rows).items()
        notes[_FEATURES] = json.dumps({name: [each.formula, each.fingerprint] for name, each in definitions})
    return notes


def conflicting_grid(scope: Scope, rows: Source | FeatureView, table: Table) -> str | None:
    """The table's grid, if it differs from the spec's; None if they agree."""
    recorded = scope.environment.lake.notes(table).get(_GRID)
    return recorded if recorded not in (None, grid_of(rows)) else None


def check_grid(scope: Scope, rows: Source | FeatureView, table: Table) -> None:
    """Raises LakeError if the table's partitions begin on other days than the spec's."""
    recorded = conflicting_grid(scope, rows, table)
    if recorded is not None:
        raise LakeError(
            f"{rows.where}: the partitions of its table begin {recorded}; with start={rows.root.start!r} and "
            f"every={rows.every!r} they would begin {grid_of(rows)}, and rows would count twice or "
            f"not at all. Write the former start and every, or remove {scope.environment.lake.location(table)} and "
            "materialize all partitions."
        )

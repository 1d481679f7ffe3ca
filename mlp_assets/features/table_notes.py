"""What a table was last computed by, left as notes with each write; and the refusal to mix two grids of partitions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from mlp_assets.errors import LakeError
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.lineage import formula
from mlp_assets.nouns.source import Source
from mlp_assets.orchestration.code_version import fingerprint
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table

_GRID, _FEATURES = "grid", "features"


@dataclass(frozen=True)
class FeatureDefinition:
    """How a feature is computed: as it would be written, and what tells it from any other."""

    formula: str
    fingerprint: str


def definitions_of(view: FeatureView) -> dict[str, FeatureDefinition]:
    """Feature -> definition, as the view has them now."""
    aggregated = {name: fingerprint(feature) for name, feature in view.features.items()}
    return {
        name: FeatureDefinition(formula(view, name), aggregated.get(name) or fingerprint(view.derived[name]))
        for name in view.feature_names
    }


def recorded_definitions(scope: Scope, table: Table) -> dict[str, FeatureDefinition]:
    """Feature -> definition, as of the last write of the view's table; empty when there is none."""
    noted: Mapping[str, list[str]] = json.loads(scope.environment.lake.notes(table).get(_FEATURES, "{}"))
    return {name: FeatureDefinition(*told) for name, told in noted.items()}


def grid_of(root: Source, every: str) -> str:
    """The days on which partitions begin, in words that a person can compare."""
    start = moment(root.start)
    return "every day" if duration(every) == timedelta(days=1) else f"every week, on {start:%A}s"


def notes_for(rows: Source | FeatureView) -> dict[str, str]:
    """What a write of the table of a source or view leaves with it."""
    notes = {_GRID: grid_of(rows.root, rows.every)}
    if isinstance(rows, FeatureView):
        told = {name: [one.formula, one.fingerprint] for name, one in definitions_of(rows).items()}
        notes[_FEATURES] = json.dumps(told)
    return notes


def conflicting_grid(scope: Scope, rows: Source | FeatureView, table: Table) -> str | None:
    """The grid that the table has, where that is not the spec's: rows would count twice, or not at all."""
    recorded = scope.environment.lake.notes(table).get(_GRID)
    return recorded if recorded not in (None, grid_of(rows.root, rows.every)) else None


def check_grid(scope: Scope, rows: Source | FeatureView, table: Table) -> None:
    """Raises LakeError where the table's partitions begin on other days than the spec's."""
    recorded = conflicting_grid(scope, rows, table)
    if recorded is not None:
        raise LakeError(
            f"{rows.where}: the partitions of its table begin {recorded}; with start={rows.root.start!r} and "
            f"every={rows.every!r} they would begin {grid_of(rows.root, rows.every)}, and rows would count twice or "
            f"not at all. Write start and every as they were, or remove {scope.environment.lake.location(table)} and "
            "materialize all partitions."
        )

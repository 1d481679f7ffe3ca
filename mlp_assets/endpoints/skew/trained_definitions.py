"""Whether predictions read features of the definitions that their model was trained on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.table_notes import FeatureDefinition, recorded_definitions
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags


@dataclass(frozen=True)
class OtherDefinition:
    """A feature that was computed by another definition than its model was trained on."""

    view: str
    feature: str
    model_version: str
    table_version: int
    trained: str
    served: str


class TrainedDefinitions:
    """The definitions of the features that each version of a model was trained on."""

    def __init__(self, scope: Scope, model: Model) -> None:
        self._scope, self._model = scope, model
        self._recorded: dict[tuple[str, int], Mapping[str, FeatureDefinition]] = {}
        self._read: dict[str, dict[str, int | None]] | None = None

    def differing(self, view: FeatureView, model_version: str, table_version: int) -> list[OtherDefinition]:
        """The features whose definition at this version of the view's table is not the one trained on.

        Empty where the registry does not know which tables the model version was trained on.
        """
        trained_version = self._tables_read().get(model_version, {}).get(str(lake_table(self._scope, view)))
        if trained_version is None or trained_version == table_version:
            return []
        trained, served = self._definitions(view, trained_version), self._definitions(view, table_version)
        return [
            OtherDefinition(view.name, name, model_version, table_version, before.formula, now.formula)
            for name, before in trained.items()
            if (now := served.get(name)) is not None and _differ(before, now)
        ]

    def _definitions(self, view: FeatureView, version: int) -> Mapping[str, FeatureDefinition]:
        table = lake_table(self._scope, view)
        if (str(table), version) not in self._recorded:
            self._recorded[str(table), version] = recorded_definitions(self._scope, table, version)
        return self._recorded[str(table), version]

    def _tables_read(self) -> dict[str, dict[str, int | None]]:
        """Version of the model -> table -> the Delta version that its training set was made of."""
        if self._read is None:
            name = keys.registered_model(self._scope.home(self._model), self._model)
            versions = self._scope.environment.registry.versions(name)
            self._read = {each.version: json.loads(each.tags.get(registry_tags.TABLES_READ, "{}")) for each in versions}
        return self._read


def _differ(one: FeatureDefinition, other: FeatureDefinition) -> bool:
    return one.fingerprint != other.fingerprint

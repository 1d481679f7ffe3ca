"""Which publications of a view a version of a model has read: those of the definition that it was trained on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mlp_assets.endpoints.skew.offline_rows import OfflineView
from mlp_assets.errors import LakeError
from mlp_assets.features.definitions.in_use import location_of
from mlp_assets.features.definitions.kept_table import KeptDefinition, kept_definition, version_of
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.source_rows import lake_table
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.record import Publication, PublicationRecord


class PublicationsRead:
    """The publications of a model's views, by the version of the model that read them."""

    def __init__(self, scope: Scope, trained: TrainedDefinitions) -> None:
        self._scope, self._trained = scope, trained
        self._histories: dict[str, Sequence[Publication]] = {}

    def history(self, view: FeatureView, model_version: str, number: int) -> Sequence[Publication]:
        """The publications in the place where the prediction read one of this number, in the order of their begin."""
        kept = self._kept(view, model_version) if version_of(number) is not None else None
        return self._read(view) if kept is None else self._read_beside(view, kept)

    def offline(self, view: FeatureView, model_version: str, number: int, asked_at: datetime) -> OfflineView:
        """What look-ups in the publication of this number should have given."""
        home, kept, version = self._home(view), self._kept(view, model_version), version_of(number)
        spec = self._trained.spec(view, model_version)
        plan = replace(ViewPlan.of(spec, ""), features=view.feature_names)
        if version is None:
            return OfflineView(home, spec, plan, lake_table(home, view), number, asked_at)
        if kept is None:
            raise LakeError(f"{view.where}: the definition of a logged version is gone.")
        return OfflineView(home, kept.view, plan, lake_table(home, kept.view), version, asked_at)

    def _read(self, view: FeatureView) -> Sequence[Publication]:
        if view.name not in self._histories:
            home = self._home(view)
            self._histories[view.name] = PublicationRecord(home.environment, home.project.name, view).read()
        return self._histories[view.name]

    def _read_beside(self, view: FeatureView, kept: KeptDefinition) -> Sequence[Publication]:
        """The publications of a definition: first those of the view, then those of its own table."""
        home = self._home(view)
        place = location_of(home, view, kept.name)
        beside = PublicationRecord(home.environment, home.project.name, kept.view, place).read()
        before = [each for each in self._read(view) if each.definition_name == kept.name]
        return sorted([*before, *beside], key=lambda each: each.begun)

    def _kept(self, view: FeatureView, model_version: str) -> KeptDefinition | None:
        then = self._trained.view(view, model_version)
        return kept_definition(self._home(view), view, then.definition) if then is not None else None

    def _home(self, view: FeatureView) -> Scope:
        return Scope(self._scope.project.home_of(view), self._scope.environment)

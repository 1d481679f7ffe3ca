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
        self._kept: dict[tuple[str, str], KeptDefinition | None] = {}

    def history(self, view: FeatureView, model_version: str, *, beside: bool) -> Sequence[Publication]:
        """The publications in one place, in the order in which they began.

        Args:
            beside: those of the definition that the version was trained on, which began as the view's own. By default
                those of the view.
        """
        home, kept = self._scope.owning(view), self._kept_of(view, model_version) if beside else None
        own = PublicationRecord(home.environment, home.project.name, view).read()
        if kept is None:
            return own
        place = location_of(home, view, kept.name)
        later = PublicationRecord(home.environment, home.project.name, kept.view, place).read()
        before = [each for each in own if each.definition_name == kept.name]
        return sorted([*before, *later], key=lambda each: each.begun)

    def offline(self, view: FeatureView, model_version: str, number: int, asked_at: datetime) -> OfflineView:
        """What look-ups in the publication of this number should have given."""
        home, kept, version = self._scope.owning(view), self._kept_of(view, model_version), version_of(number)
        spec = self._trained.spec(view, model_version)
        plan = replace(ViewPlan.of(spec, ""), features=view.feature_names)
        if version is None:
            return OfflineView(home, spec, plan, lake_table(home, view), number, asked_at)
        if kept is None:
            raise LakeError(f"{view.where}: the definition of a logged version is gone.")
        return OfflineView(home, kept.view, plan, lake_table(home, kept.view), version, asked_at)

    def _kept_of(self, view: FeatureView, model_version: str) -> KeptDefinition | None:
        if (view.name, model_version) not in self._kept:
            then = self._trained.view(view, model_version)
            kept = kept_definition(self._scope.owning(view), view, then.definition) if then is not None else None
            self._kept[view.name, model_version] = kept
        return self._kept[view.name, model_version]

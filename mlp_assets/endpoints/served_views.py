"""Where an endpoint looks up the views of its model: each by the definition that the model was trained on."""

from mlp_assets.errors import MlpError
from mlp_assets.features.definitions.in_use import location_of
from mlp_assets.features.definitions.kept_table import bring_up_to_date, required_definition
from mlp_assets.features.definitions.publishing import publish_kept
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope


def served_view(scope: Scope, trained: TrainedDefinitions, view: FeatureView, model_version: str) -> ViewPlan:
    """The look-up plan of a view: today's definition where it computes what the model reads as it was trained.

    Where the model was trained on another definition, that one is looked up, which stays computed and published.

    Raises:
        LostDefinitionError: the other definition is not online, and cannot be computed any more.
    """
    home, plan = scope.owning(view), look_up_plan(scope, trained, view, model_version)
    earlier = trained.earlier_definition(view, model_version)
    if earlier is not None and not _is_online(home, plan.location):
        kept = required_definition(home, view, earlier)
        bring_up_to_date(home, view, kept)
        publish_kept(home, view, kept)
    return plan


def look_up_plan(scope: Scope, trained: TrainedDefinitions, view: FeatureView, model_version: str) -> ViewPlan:
    """The look-up plan of a view, whether it is online there or not."""
    location = location_of(scope.owning(view), view, trained.looked_up(view, model_version))
    return ViewPlan.of(trained.spec(view, model_version), location)


def _is_online(scope: Scope, location: str) -> bool:
    try:
        scope.environment.online.open_view(location)
    except MlpError:
        return False
    return True

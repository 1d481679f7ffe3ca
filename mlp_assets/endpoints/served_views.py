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
    home, spec = scope.owning(view), trained.spec(view, model_version)
    earlier = trained.earlier_definition(view, model_version)
    if earlier is None:
        return ViewPlan.of(spec, location_of(home, view, trained.at(view).definition))
    location = location_of(home, view, earlier)
    if not _is_online(home, location):
        kept = required_definition(home, view, earlier)
        bring_up_to_date(home, view, kept)
        publish_kept(home, view, kept)
    return ViewPlan.of(spec, location)


def _is_online(scope: Scope, location: str) -> bool:
    try:
        scope.environment.online.open_view(location)
    except MlpError:
        return False
    return True

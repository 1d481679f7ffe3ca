"""Where an endpoint looks up the views of its model: each by the definition that the model was trained on."""

from mlp_assets.errors import MlpError
from mlp_assets.features.definitions.in_use import location_of
from mlp_assets.features.definitions.kept_table import LostDefinitionError, bring_up_to_date, kept_definition
from mlp_assets.features.definitions.publishing import publish_kept
from mlp_assets.features.definitions.trained import TrainedDefinitions, TrainedView
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope


def served_view(scope: Scope, trained: TrainedDefinitions, view: FeatureView, model_version: str) -> ViewPlan:
    """The look-up plan of a view: today's definition where it computes what the model reads as it was trained.

    Where the model was trained on another definition, that one is looked up, which stays computed and published.
    """
    home, spec = Scope(scope.project.home_of(view), scope.environment), trained.spec(view, model_version)
    today, then = trained.at(view, None), trained.view(view, model_version)
    if then is None or then.is_served_by(today, trained.read_features(model_version)):
        return ViewPlan.of(spec, location_of(home, view, today.definition))
    location = location_of(home, view, then.definition)
    if not _is_online(home, location):
        _publish(home, view, then, model_version)
    return ViewPlan.of(spec, location)


def _publish(home: Scope, view: FeatureView, then: TrainedView, model_version: str) -> None:
    """Puts the earlier definition online. Raises LostDefinitionError if it cannot be computed any more."""
    kept = kept_definition(home, view, then.definition)
    if kept is None:
        raise LostDefinitionError(
            f"{view.where}: version {model_version} of the model was trained on an earlier definition of it, which is "
            "not online and cannot be computed any more. Train the model again."
        )
    bring_up_to_date(home, view, kept)
    publish_kept(home, view, kept)


def _is_online(scope: Scope, location: str) -> bool:
    try:
        scope.environment.online.open_view(location)
    except MlpError:
        return False
    return True

"""Whether predictions read features of the definitions that their model was trained on."""

from dataclasses import dataclass

from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.definitions.view_definition import is_same
from mlp_assets.nouns.feature_view import FeatureView


@dataclass(frozen=True)
class OtherDefinition:
    """A feature that was computed by another definition than its model was trained on."""

    view: str
    feature: str
    model_version: str
    table_version: int
    trained: str
    served: str


def differing_definitions(
    trained: TrainedDefinitions, view: FeatureView, model_version: str, table_version: int
) -> list[OtherDefinition]:
    """The features that the model reads whose definition at this version of the view's table is not the one trained on.

    Empty where the registry does not know which tables the model version was trained on.
    """
    then, served = trained.view(view, model_version), trained.at(view, table_version)
    read = trained.read_features(model_version)
    return [
        OtherDefinition(view.name, name, model_version, table_version, before.formula, now.formula)
        for name, before in (then.features.items() if then is not None else ())
        if name in read
        and (now := served.features.get(name)) is not None
        and not is_same(before, now, then.polars if then is not None else "")
    ]

"""The tables from which a version of a model takes features: each view by the definition that it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlp_assets.features.definitions.kept_table import bring_up_to_date, required_definition
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.features.source_rows import lake_table
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Table


@dataclass(frozen=True)
class TrainedTable:
    """A view, and the table that a version of a model reads.

    Args:
        view: today's.
        spec: the view as the version was trained on it.
        table: with its rows, at ``version``.
    """

    view: FeatureView
    spec: FeatureView
    table: Table
    version: int | None


def trained_tables(
    scope: Scope, trained: TrainedDefinitions, views: Sequence[FeatureView], model_version: str
) -> list[TrainedTable]:
    """The tables of the views. An earlier definition is brought up to date first.

    Raises:
        LostDefinitionError: an earlier definition cannot be computed any more.
    """
    return [_trained_table(scope, trained, view, model_version) for view in views]


def _trained_table(scope: Scope, trained: TrainedDefinitions, view: FeatureView, model_version: str) -> TrainedTable:
    home, lake, read = scope.owning(view), scope.environment.lake, view
    earlier = trained.earlier_definition(view, model_version)
    if earlier is not None:
        kept = required_definition(home, view, earlier)
        bring_up_to_date(home, view, kept)
        read = kept.view
    table = lake_table(home, read)
    return TrainedTable(view, trained.spec(view, model_version), table, lake.version(table))

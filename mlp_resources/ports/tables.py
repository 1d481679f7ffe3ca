"""The kinds of assets and tables, and the names of the lake's tables. No other module spells them."""

from enum import StrEnum

from mlp_resources.ports.lake import Table


class Kind(StrEnum):
    """What an asset or a table holds. Asset keys, folders and registry tags contain these words: they never change."""

    SOURCE = "source"
    FEATURES = "features"
    ONLINE = "online"
    TRAINING_SET = "training_set"
    CANDIDATE = "candidate"
    CHAMPION = "champion"
    ENDPOINT = "endpoint"
    PREDICTIONS = "predictions"
    FEEDBACK = "feedback"
    BATCH_SCORE = "batch_score"
    DRIFT = "drift"
    ESTIMATED_PERFORMANCE = "estimated_performance"
    REALISED_PERFORMANCE = "realised_performance"
    ALARMS = "alarms"
    MAINTENANCE = "maintenance"  # an asset without a table
    PROMOTIONS = "promotions"  # a table without an asset, as the next one is
    STATISTICS = "statistics"
    PUBLICATIONS = "publications"
    DEFINITIONS = "definitions"


def table_of(project: str, kind: Kind, name: str) -> Table:
    return Table(project, kind.value, name)


def source(project: str, name: str) -> Table:
    return table_of(project, Kind.SOURCE, name)


def features(project: str, name: str) -> Table:
    return table_of(project, Kind.FEATURES, name)


def training_set(project: str, name: str) -> Table:
    return table_of(project, Kind.TRAINING_SET, name)


def predictions(project: str, name: str) -> Table:
    return table_of(project, Kind.PREDICTIONS, name)


def feedback(project: str, name: str) -> Table:
    return table_of(project, Kind.FEEDBACK, name)


def promotions(project: str, name: str) -> Table:
    """The promotions of a model, a row each."""
    return table_of(project, Kind.PROMOTIONS, name)


def publications(project: str, view: str) -> Table:
    """The record of a view's publications: see ``mlp_assets.publications.record``."""
    return table_of(project, Kind.PUBLICATIONS, view)


def definitions(project: str, view: str) -> Table:
    """The definitions of a view, as texts: see ``mlp_assets.features.definitions``."""
    return table_of(project, Kind.DEFINITIONS, view)


def of_definition(view: str, definition: str) -> str:
    """The name under which a definition of a view is stored. That of the definition with which it began is empty."""
    return f"{view}.{definition}" if definition else view


def statistics(project: str) -> Table:
    """The statistics of all features of a project, a partition for each view."""
    return table_of(project, Kind.STATISTICS, "features")

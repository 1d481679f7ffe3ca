"""How the tables of the lake are called: of what a project's source, view or training set has written."""

from mlp_resources.ports.lake import Table


def source(project: str, name: str) -> Table:
    return Table(project, "source", name)


def features(project: str, name: str) -> Table:
    return Table(project, "features", name)


def training_set(project: str, name: str) -> Table:
    return Table(project, "training_set", name)


def statistics(project: str) -> Table:
    """The statistics of all features of a project, a partition for each view."""
    return Table(project, "statistics", "features")

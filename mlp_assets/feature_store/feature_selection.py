"""Resolves the features of a request, given by name or by view, to columns of the answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlp_assets.feature_store.errors import StoreError
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project

Wanted = str | FeatureView


@dataclass(frozen=True)
class FeatureColumn:
    """A feature and the name of its column in the answer. ``home`` is the project that owns the view."""

    home: str
    view: FeatureView
    feature: str
    name: str = ""


def select_features(projects: Sequence[Project], wanted: Sequence[Wanted] | Wanted) -> list[FeatureColumn]:
    """The requested features in order, each once.

    Raises:
        StoreError: a name is unknown or ambiguous, or no feature is requested.
    """
    listed = [wanted] if isinstance(wanted, str | FeatureView) else list(wanted)
    known = _all_features(projects)
    selected = {(id(column.view), column.feature): column for item in listed for column in _matches(known, item)}
    if not selected:
        raise StoreError("No features are requested. Write ['view.feature'], or 'view' for all features of a view.")
    count = Counter(column.feature for column in selected.values())
    return [
        replace(column, name=column.feature if count[column.feature] == 1 else _paths(column)[1])
        for column in selected.values()
    ]


def by_view(columns: Sequence[FeatureColumn]) -> list[tuple[FeatureView, list[FeatureColumn]]]:
    """The columns of each view, in order."""
    views = {id(column.view): column.view for column in columns}
    return [(view, [column for column in columns if column.view is view]) for view in views.values()]


def _all_features(projects: Sequence[Project]) -> list[FeatureColumn]:
    known = {id(project): project for own in projects for project in (own, *own.used)}
    return [
        FeatureColumn(project.name, view, name)
        for project in known.values()
        for view in project.feature_views
        for name in view.feature_names
    ]


def _matches(known: list[FeatureColumn], wanted: Wanted) -> list[FeatureColumn]:
    if isinstance(wanted, FeatureView):
        return _of_view(known, wanted)
    if not isinstance(wanted, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user may pass anything
        raise StoreError(f"{wanted!r} names no feature. Write 'view.feature', or pass the feature view.")
    of_view = [column for column in known if wanted in (column.view.name, f"{column.home}.{column.view.name}")]
    matches = of_view or [column for column in known if wanted in _paths(column)]
    if not matches:
        names = {path for column in known for path in (*_paths(column), column.view.name)}
        raise StoreError(f"There is no feature {wanted!r}. {did_you_mean(wanted, names)}")
    views = list({id(column.view): column for column in matches}.values())
    if len(views) > 1:
        paths = [f"{column.home}.{column.view.name}" if of_view else _paths(column)[2] for column in views]
        raise StoreError(f"Several views have {wanted!r}. Write {' or '.join(map(repr, paths))}.")
    return matches


def _of_view(known: list[FeatureColumn], view: FeatureView) -> list[FeatureColumn]:
    columns = [column for column in known if column.view is view]
    if not columns:
        raise StoreError(
            f"{view.where} is in none of the store's projects. Create the store from the project that has the view."
        )
    return columns


def _paths(column: FeatureColumn) -> tuple[str, str, str]:
    """The three ways to write a feature's name, shortest first."""
    inside = f"{column.view.name}.{column.feature}"
    return column.feature, inside, f"{column.home}.{inside}"

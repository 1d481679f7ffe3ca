"""Which features a question asks for: names or views, as columns of its answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlp_assets.feature_store.errors import StoreError
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.project import Project

Wanted = str | FeatureView


@dataclass(frozen=True)
class Column:
    """A feature, and the column in which it is answered. ``home`` is the project that owns the view."""

    home: str
    view: FeatureView
    feature: str
    name: str = ""


def chosen(projects: Sequence[Project], wanted: Sequence[Wanted] | Wanted) -> list[Column]:
    """The features wanted, each once, in order.

    Raises:
        StoreError: a name is unknown, or several features have it.
    """
    listed = [wanted] if isinstance(wanted, str | FeatureView) else list(wanted)
    every = _every(projects)
    found = {(id(one.view), one.feature): one for item in listed for one in _found(every, item)}
    if not found:
        raise StoreError("No features are asked for. Write ['view.feature'], or 'view' for all of a view.")
    count = Counter(one.feature for one in found.values())
    return [
        Column(one.home, one.view, one.feature, one.feature if count[one.feature] == 1 else _paths(one)[1])
        for one in found.values()
    ]


def by_view(columns: Sequence[Column]) -> list[tuple[FeatureView, list[Column]]]:
    """The columns of each view, in order."""
    views = {id(one.view): one.view for one in columns}
    return [(view, [one for one in columns if one.view is view]) for view in views.values()]


def _every(projects: Sequence[Project]) -> list[Column]:
    known = {id(project): project for own in projects for project in (own, *own.used)}
    return [
        Column(project.name, view, name)
        for project in known.values()
        for view in project.feature_views
        for name in view.feature_names
    ]


def _found(every: list[Column], wanted: Wanted) -> list[Column]:
    if isinstance(wanted, FeatureView):
        found = [one for one in every if one.view is wanted]
        if not found:
            raise StoreError(f"{wanted.where} is in none of the projects. Make the store of the project that has it.")
        return found
    if not isinstance(wanted, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's may be anything
        raise StoreError(f"{wanted!r} names no feature. Write 'view.feature', or give the feature view.")
    of_view = [one for one in every if wanted in (one.view.name, f"{one.home}.{one.view.name}")]
    found = of_view or [one for one in every if wanted in _paths(one)]
    if not found:
        known = {path for one in every for path in (*_paths(one), one.view.name)}
        raise StoreError(f"There is no feature {wanted!r}. {did_you_mean(wanted, known)}")
    views = list({id(one.view): one for one in found}.values())
    if len(views) > 1:
        paths = [f"{one.home}.{one.view.name}" if of_view else _paths(one)[2] for one in views]
        raise StoreError(f"Several views have {wanted!r}. Write {' or '.join(map(repr, paths))}.")
    return found


def _paths(one: Column) -> tuple[str, str, str]:
    inside = f"{one.view.name}.{one.feature}"
    return one.feature, inside, f"{one.home}.{inside}"

"""The definitions of a view that live endpoints look up."""

import re
from collections.abc import Mapping

from mlp_assets.features.definitions.definition_note import FIRST
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import tables

_NAME = re.compile(r"\d+-[0-9a-f]{6}")


def location_of(scope: Scope, view: FeatureView, definition: str) -> str:
    """Where a definition of a view is in the online store."""
    return scope.environment.online.location(scope.home(view), tables.of_definition(view.name, definition))


def live_lookups(scope: Scope, view: FeatureView) -> dict[str, tuple[str, ...]]:
    """Feature -> the live endpoints that look it up."""
    lookups: dict[str, tuple[str, ...]] = {}
    for endpoint, (_, features) in _read_by(scope, view).items():
        lookups |= {name: (*lookups.get(name, ()), endpoint) for name in features}
    return lookups


def definitions_in_use(scope: Scope, view: FeatureView) -> dict[str, tuple[str, ...]]:
    """Name of a definition -> the live endpoints that look it up."""
    used: dict[str, tuple[str, ...]] = {}
    for endpoint, (definition, _) in _read_by(scope, view).items():
        used[definition] = (*used.get(definition, ()), endpoint)
    return used


def _read_by(scope: Scope, view: FeatureView) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Live endpoint -> the definition and the features that it looks up of the view."""
    first = location_of(scope, view, FIRST)
    read: dict[str, tuple[str, tuple[str, ...]]] = {}
    for endpoint, entry in scope.environment.serving.desired().items():
        for plan in entry["plan"]["views"]:
            before, _, definition = plan["location"].rpartition(".")
            if plan["location"] == first:
                read[endpoint] = FIRST, tuple(plan["features"])
            elif before == first and _NAME.fullmatch(definition):
                read[endpoint] = definition, tuple(plan["features"])
    return read

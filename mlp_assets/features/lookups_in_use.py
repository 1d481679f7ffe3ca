"""Blocks a publication that would drop a feature a live endpoint still reads."""

from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.serving import PublicationRefusedError


def live_lookups(scope: Scope, view: FeatureView) -> dict[str, tuple[str, ...]]:
    """Feature -> the live endpoints that look it up."""
    location = scope.environment.online.location(scope.project.name, view.name)
    lookups: dict[str, tuple[str, ...]] = {}
    for endpoint, entry in scope.environment.serving.desired().items():
        for plan in entry["plan"]["views"]:
            if plan["location"] == location:
                lookups |= {name: (*lookups.get(name, ()), endpoint) for name in plan["features"]}
    return lookups


def check_lookups(scope: Scope, view: FeatureView) -> None:
    """Raises PublicationRefusedError if a live endpoint looks up a feature that the view no longer has."""
    lost = {name: endpoints for name, endpoints in live_lookups(scope, view).items() if name not in view.feature_names}
    if lost:
        name, endpoints = next(iter(lost.items()))
        others = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise PublicationRefusedError(
            f"{view.where}: endpoint {endpoints[0]} looks up {name!r}{others}, which the view no longer has. "
            f"The published rows stay online. First deploy a model without {name!r}, or add it to the view again."
        )

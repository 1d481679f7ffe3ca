"""What the live endpoints look up of a view; a publication must not take it from them."""

from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.serving import PublicationRefusedError


def live_lookups(scope: Scope, view: FeatureView) -> dict[str, tuple[str, ...]]:
    """Feature -> the live endpoints that look it up."""
    location = scope.environment.online.location(scope.project.name, view.name)
    found: dict[str, tuple[str, ...]] = {}
    for endpoint, entry in scope.environment.serving.desired().items():
        for looked in entry["plan"]["views"]:
            if looked["location"] == location:
                found |= {name: (*found.get(name, ()), endpoint) for name in looked["features"]}
    return found


def check_lookups(scope: Scope, view: FeatureView) -> None:
    """Raises PublicationRefusedError where a live endpoint looks up a feature that the view no longer has."""
    lost = {name: ends for name, ends in live_lookups(scope, view).items() if name not in view.feature_names}
    if lost:
        name, endpoints = next(iter(lost.items()))
        others = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise PublicationRefusedError(
            f"{view.where}: endpoint {endpoints[0]} looks up {name!r}{others}, which the view no longer has, so what "
            f"is online stays. Train and deploy a model without it first, or write {name!r} into the view again."
        )

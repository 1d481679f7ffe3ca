"""Look-up plans: all that a reader of the online store needs to know of a view, as plain JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp_assets.nouns.feature_view import FeatureView


@dataclass(frozen=True)
class ViewPlan:
    """How to look up one view.

    Args:
        ttl_seconds: the age after which a row is no longer used; None means never.
        location: address of the view in the online store.
    """

    name: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl_seconds: int | None
    location: str

    @classmethod
    def of(cls, view: FeatureView, location: str) -> "ViewPlan":
        """The plan for a view that is published at ``location``."""
        ttl = view.ttl_length
        seconds = int(ttl.total_seconds()) if ttl is not None else None
        return cls(view.name, tuple(view.entity.keys), tuple(view.feature_names), seconds, location)

    @classmethod
    def from_json(cls, view: Mapping[str, Any]) -> "ViewPlan":
        return cls(view["name"], tuple(view["keys"]), tuple(view["features"]), view["ttl_seconds"], view["location"])

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "keys": list(self.keys),
            "features": list(self.features),
            "ttl_seconds": self.ttl_seconds,
            "location": self.location,
        }

"""What serving takes and gives: the online store of features, and the control of endpoints."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import polars as pl

from mlp_assets.spec.errors import MlpError


class StalePublicationError(MlpError):
    """A publication is older than what is online already."""


class ServingUnavailableError(MlpError):
    """The serving cluster does not answer; the message says how to start it."""


class DeploymentFailedError(MlpError):
    """An endpoint did not become ready; what served before goes on serving."""


OpenView = Callable[[str], Any]


class OnlineStore(Protocol):
    """The newest features of each entity."""

    def publish(self, path: str, keys: list[str], features: list[str], frame: pl.DataFrame, *, version: int) -> None:
        """Replaces all rows of a view at once; ``frame`` has keys, ``event_time`` and features."""
        ...


class ServingControl(Protocol):
    """The one writer of which endpoints are live."""

    def apply(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        """Makes the endpoint of the plan live (or moves it to the plan's model) and returns its URL."""
        ...

    def remove(self, name: str) -> None:
        """Takes an endpoint down; raises DeploymentFailedError when there is none of this name."""
        ...

    def url(self, route: str) -> str: ...

    def reconcile(self) -> list[str]:
        """Makes live again what should be, as after a restart; returns the names."""
        ...

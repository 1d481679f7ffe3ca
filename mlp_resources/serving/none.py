"""An environment without endpoints: says so where one is to be made live, and has none otherwise."""

from collections.abc import Mapping
from typing import Any, NoReturn

from mlp_resources.ports.serving import NotServedError


class NoServing:
    """Serves nothing.

    Args:
        why: one sentence for people, which names what does serve.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def apply(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> NoReturn:
        raise NotServedError(f"The endpoint {plan['endpoint']} is not live: {self._why}")

    def desired(self) -> dict[str, Any]:
        return {}

    def remove(self, name: str) -> NoReturn:
        raise NotServedError(f"There is no endpoint {name} to remove: {self._why}")

    def url(self, route: str) -> NoReturn:
        raise NotServedError(f"{route} has no address: {self._why}")

    def reconcile(self) -> list[str]:
        return []

"""The endpoint as a Ray Serve application: ``mlp_assets.serving.deployment:application``."""

from typing import Any

from ray import serve

from mlp_assets.serving.app import create_app
from mlp_assets.serving.model import ServedModel
from mlp_assets.serving.plan import ServingPlan
from mlp_resources.online_lmdb import OnlineView


class _Holder:
    """The model that answers now."""

    def __init__(self) -> None:
        self.model: ServedModel | None = None

    def current(self) -> ServedModel:
        if self.model is None:
            raise RuntimeError("no model is loaded yet")
        return self.model


_HOLDER = _Holder()


@serve.deployment(name="endpoint", health_check_period_s=2, health_check_timeout_s=5)
@serve.ingress(create_app(_HOLDER.current))
class EndpointReplica:
    """One replica. A new plan is loaded whole and proved by a prediction before it takes over; if that fails, it stays."""

    def reconfigure(self, plan: dict[str, Any]) -> None:
        parsed = ServingPlan.from_json(plan)
        before = _HOLDER.model
        same_spool = before is not None and before.plan.spool == parsed.spool
        model = ServedModel(parsed, OnlineView, before.spool if before is not None and same_spool else None)
        model.probe()
        _HOLDER.model = model

    def check_health(self) -> None:
        _HOLDER.current().probe()


def application(args: dict[str, Any]) -> Any:
    """Builds the application; the plan comes as ``user_config``."""
    return EndpointReplica.bind()

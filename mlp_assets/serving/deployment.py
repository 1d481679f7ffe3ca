"""The endpoint as a Ray Serve application: ``mlp_assets.serving.deployment:application``."""

from typing import Any

from ray import serve

from mlp_assets.serving import holder
from mlp_assets.serving.app import create_app
from mlp_assets.serving.model import ServedModel
from mlp_assets.serving.plan import ServingPlan
from mlp_resources.online_views import open_view


def _app() -> Any:
    """Made inside the replica, where the holder is the one that ``reconfigure`` fills."""
    return create_app(holder.current)


@serve.deployment(name="endpoint", health_check_period_s=2, health_check_timeout_s=5)
@serve.ingress(_app)
class EndpointReplica:
    """One replica. A new plan is loaded whole and proved by a prediction before it takes over."""

    def reconfigure(self, plan: dict[str, Any]) -> None:
        parsed = ServingPlan.from_json(plan)
        spool = holder.current().spool if holder.holds() else None
        model = ServedModel(parsed, open_view, spool)
        model.probe()
        holder.swap(model)

    def check_health(self) -> None:
        holder.current().probe()


def application(args: dict[str, Any]) -> Any:
    """Builds the application; the plan comes as ``user_config``."""
    return EndpointReplica.bind()

"""The endpoint as a Ray Serve application: ``mlp_assets.endpoints.replica.deployment:application``."""

from typing import Any

from ray import serve

from mlp_assets.endpoints.replica import current_model
from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.own_address import listen_on_own_address
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_resources.environments.configured import configured_environment


def _app() -> Any:
    """Built inside the replica, whose ``current_model`` is the one that ``reconfigure`` sets."""
    return create_app(current_model.current)


@serve.deployment(name="endpoint", health_check_period_s=2, health_check_timeout_s=5)
@serve.ingress(_app)
class EndpointReplica:
    """One replica. A new plan is loaded completely and makes a test prediction before it goes live."""

    def __init__(self) -> None:
        listen_on_own_address()

    def reconfigure(self, plan: dict[str, Any]) -> None:
        parsed = ServingPlan.from_json(plan)
        spool = current_model.current().spool if current_model.is_loaded() else None
        model = ServedModel(parsed, configured_environment().open_view, spool)
        model.probe()
        current_model.swap(model)

    def check_health(self) -> None:
        current_model.current().probe()


def application(args: dict[str, Any]) -> Any:
    """Builds the application. Ray passes the plan as ``user_config``."""
    return EndpointReplica.bind()  # pyrefly: ignore[missing-attribute]  # the decorator adds it

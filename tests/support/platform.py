"""Runs the assets of a project in a Dagster instance and a home of their own."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from starlette.testclient import TestClient

from mlp_assets.endpoints.replica.app import create_app
from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.endpoints.replica.plan import ServingPlan
from mlp_assets.endpoints.serving_plan import serving_plan
from mlp_assets.models.promotions import champion
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration.facts import metadata_of
from mlp_assets.orchestration.keys import table
from mlp_assets.orchestration.scope import Scope
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.lake import Table
from tests.support.mlflow_store import empty_store


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The error of the first step that failed."""
    (event, *_) = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.error)


def check_of(result: dg.ExecuteInProcessResult, name: str, kind: str) -> dg.AssetCheckEvaluation:
    """The evaluation of a run's only check of this name on an asset of this kind."""
    (found,) = [
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == name and each.asset_key.path[1] == kind
    ]
    return found


def weeks(first: str, last: str) -> dict[str, str]:
    """The tags of a run over these weeks."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


class Platform:
    """A project with its environment and Dagster instance."""

    def __init__(
        self,
        project: Project,
        home: Path,
        now: Callable[[], datetime] | None = None,
        instance: dg.DagsterInstance | None = None,
        environment: LocalEnvironment | None = None,
    ) -> None:
        self.project = project
        empty_store(home / "mlflow")
        local = LocalEnvironment(home) if now is None else LocalEnvironment(home, now=now)
        self.environment = environment or local
        self.instance = instance or dg.DagsterInstance.ephemeral()
        self.definitions = definitions_for(project, environment=self.environment)
        self.job = self.definitions.resolve_implicit_global_asset_job_def()

    def run(self, *kinds: str, tags: dict[str, str] | None = None, fails: bool = False) -> dg.ExecuteInProcessResult:
        """Materializes the assets of these kinds in one run, and asserts that the run succeeds, or fails."""
        selected = [key for key in self.job.asset_layer.executable_asset_keys if key.path[1] in kinds]
        result = self.job.execute_in_process(
            instance=self.instance, asset_selection=selected, tags=tags or {}, raise_on_error=False
        )
        assert result.success != fails
        return result

    def metadata(self, kind: str, name: str) -> dict[str, object]:
        """The metadata of the newest materialization."""
        (key,) = [key for key in self.job.asset_layer.executable_asset_keys if table(key) == Table("shop", kind, name)]
        event = self.instance.get_latest_materialization_event(key)
        assert event is not None
        return metadata_of(event)

    def serve(self, **changes: Any) -> tuple[TestClient, ServedModel]:
        """Serves the champion of the project's only endpoint, as a replica does, but without Ray.

        Args:
            changes: entries of the serving plan to replace.
        """
        (endpoint,) = self.project.endpoints
        scope = Scope(self.project, self.environment)
        live = champion(scope, endpoint.model)
        assert live is not None
        plan = serving_plan(scope, endpoint, live.version, self.environment.registry.artifact(live), live.digest)
        model = ServedModel(ServingPlan.from_json(plan | changes), self.environment.online.open_view)
        return TestClient(create_app(lambda: model)), model


def infer_body(users: list[int], at: datetime) -> dict[str, object]:
    """A request for these users at this time."""
    column = {"name": "user_id", "datatype": "INT64", "shape": [len(users)], "data": users}
    return {"inputs": [column], "parameters": {"at": at.isoformat()}}

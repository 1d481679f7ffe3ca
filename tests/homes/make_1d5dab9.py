"""Makes the home of a team as the commit 1d5dab9 did; ``tests/support/earlier_homes.py`` runs it on that commit's code.

The home then holds 17 weeks of tables, a promoted version, a live endpoint, predictions that were drained
and some that were not, figures of the monitor, and ``before.json`` with what that commit said of them.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from mlp_assets.build.common import Scope
from mlp_assets.build.plans import serving_plan
from mlp_assets.build.promotions import champion
from mlp_assets.engine.digest import canonical_digest
from mlp_assets.serving.app import create_app
from mlp_assets.serving.model import ServedModel
from mlp_assets.serving.plan import ServingPlan
from mlp_resources.home import home, prepare_home
from mlp_resources.online_views import open_view
from mlp_resources.serving_ray import RayServing
from starlette.testclient import TestClient
from team.project import project

from mlp_assets.platform import definitions_for
from mlp_resources.environments import Environment
from mlp_resources.ports import Table

NOW = datetime(2024, 4, 30, tzinfo=UTC)
WEEKS = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-04-22"}
KINDS = ["source", "features", "online", "training_set", "candidate", "champion"]


def main() -> None:
    folder = prepare_home()
    environment = Environment(home(), now=lambda: NOW)
    scope = Scope(project, environment)
    definitions = definitions_for(project, environment=environment)
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        for kind in KINDS:
            run(definitions, instance, kind, WEEKS if kind in ("source", "features") else {})
        client, plan = served(scope)
        deploy(environment, plan)
        answer = [ask(client, number) for number in range(3)]
        run(definitions, instance, "predictions", {})
        ask(client, 3)  # stays in the spool
        run(definitions, instance, "drift", {})
        versions = {key.to_user_string(): version_of(instance, key) for key in keys(definitions)}
    lake = environment.lake
    tables = [Table("shop", kind, name) for kind, name in (("features", "spending"), ("training_set", "history"))]
    said = {
        "answer": answer,
        "code_versions": versions,
        "digests": {str(table): canonical_digest(lake.scan(table).collect()) for table in tables},
        "champion": champion(scope, project.models[0]).version,
    }
    (folder / "before.json").write_text(json.dumps(said))


def keys(definitions: dg.Definitions) -> list[dg.AssetKey]:
    job = definitions.resolve_implicit_global_asset_job_def()
    return list(job.asset_layer.executable_asset_keys)


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, kind: str, tags: dict[str, str]) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    chosen = [key for key in keys(definitions) if key.path[1] == kind]
    assert chosen, kind
    assert job.execute_in_process(instance=instance, asset_selection=chosen, tags=tags).success


def served(scope: Scope) -> tuple[TestClient, dict[str, object]]:
    """The endpoint with its champion, as a replica serves it, and its plan."""
    (endpoint,) = project.endpoints
    live = champion(scope, endpoint.model)
    plan = serving_plan(scope, endpoint, live.version, scope.environment.registry.download(live), live.digest)
    model = ServedModel(ServingPlan.from_json(plan), open_view)
    return TestClient(create_app(lambda: model)), plan


def deploy(environment: Environment, plan: dict[str, object]) -> None:
    """Leaves the endpoint live, as after ``apply``; no Ray is asked."""
    control = RayServing(environment.home)
    (environment.home / "serving").mkdir()
    folder = str(Path(sys.modules["team.project"].__file__).parents[1])
    control._store({"shop.score": {"plan": plan, "options": {"replicas": [1, 1], "cpus": 0.1}, "folder": folder}})


def ask(client: TestClient, number: int) -> dict[str, object]:
    users = list(range(200 * number % 300, 200 * number % 300 + 200))
    users = [user % 310 for user in users]  # some are unknown
    columns = [
        {"name": "user_id", "datatype": "INT64", "shape": [200], "data": users},
        {"name": "channel", "datatype": "BYTES", "shape": [200], "data": ["shop", "web"] * 100},
    ]
    body = {"id": f"request-{number}", "inputs": columns, "parameters": {"at": "2024-04-30T12:00:00+00:00"}}
    answer = client.post("/v2/models/score/infer", json=body)
    assert answer.status_code == 200, answer.text
    return {"request": body, "response": answer.json()}


def version_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    event = instance.get_latest_materialization_event(key)
    return event.asset_materialization.tags.get("dagster/code_version") if event else None


if __name__ == "__main__":
    main()

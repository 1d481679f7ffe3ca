"""Endpoints on Ray Serve: one writer applies the desired state, a file, through Ray's REST interface."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from mlp_assets.files import replace_text
from mlp_assets.local_http import local_client
from mlp_resources.compute.import_paths import import_folder, inherited_python_path
from mlp_resources.compute.memory_kills import MemoryKills
from mlp_resources.leases.holding import SECONDS, holding
from mlp_resources.leases.local import LocalLeases
from mlp_resources.ports.lease import Lease, Leases
from mlp_resources.ports.serving import DeploymentFailedError, ServingUnavailableError
from mlp_resources.serving.ray_token import authorization

_READY_SECONDS = 60.0
_WAIT_SECONDS = 3600.0  # for other writers, each of which may wait for an endpoint to become ready


class RayServing:
    """Controls the endpoints of ``home``. Every request to Ray contains all of them: Ray deletes missing ones.

    One writer at a time holds the lease ``serving``. Requests to Ray and stored state pass the lease's fence, so a
    writer that was paused for longer than ``lease_seconds`` cannot overwrite the next one.

    Args:
        dashboard: URL of Ray's REST interface.
        port: of the endpoints.
        leases: below ``home`` by default.
    """

    def __init__(
        self,
        home: Path,
        dashboard: str,
        port: int,
        leases: Leases | None = None,
        lease_seconds: float = SECONDS,
    ) -> None:
        self._home, self._folder = home, home / "serving"
        self._dashboard, self._port = dashboard, port
        self._leases, self._lease_seconds = leases or LocalLeases(home / "leases"), lease_seconds

    def url(self, route: str) -> str:
        return f"http://127.0.0.1:{self._port}{route}"

    def desired(self) -> dict[str, Any]:
        path = self._folder / "desired.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def apply(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        name = f"{plan['project']}.{plan['endpoint']}"
        with self._writing() as lease:
            before = self.desired()
            folder = import_folder(plan["derive"]) if plan["derive"] else None
            entry = {"plan": dict(plan), "options": dict(options), "folder": folder}
            after = _without_route(before, name, plan) | {name: entry}
            self._put(lease, after)
            try:
                self._wait(lease, name, str(plan["model"]["version"]), plan["route"], plan["endpoint"])
            except DeploymentFailedError:
                if name in before:
                    self._put(lease, before)
                raise
            self._store(lease, after)
        return self.url(plan["route"])

    def reconcile(self) -> list[str]:
        with self._writing() as lease:
            desired = self.desired()
            if desired:
                self._put(lease, desired)
            for name, entry in desired.items():
                plan = entry["plan"]
                self._wait(lease, name, str(plan["model"]["version"]), plan["route"], plan["endpoint"])
        return list(desired)

    def remove(self, name: str) -> None:
        with self._writing() as lease:
            if name not in self.desired():
                raise DeploymentFailedError(f"There is no endpoint {name}. The endpoints are {sorted(self.desired())}.")
            others = {key: value for key, value in self.desired().items() if key != name}
            self._put(lease, others)
            self._store(lease, others)

    def _put(self, lease: Lease, desired: Mapping[str, Any]) -> None:
        config = {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self._port, "request_timeout_s": 30},
            "applications": [_application(name, entry) for name, entry in desired.items()],
        }
        with self._leases.fenced(lease):
            self._request("PUT", json=config)

    def _wait(self, lease: Lease, name: str, version: str, route: str, endpoint: str) -> None:
        deadline, since = time.monotonic() + _READY_SECONDS, time.time()
        message = ""
        while time.monotonic() < deadline:
            application = self._request("GET").json()["applications"].get(name, {})
            if not application:  # not there yet, or removed by a newer writer
                with self._leases.fenced(lease):
                    pass
            status, message = application.get("status"), application.get("message", "")
            if status == "DEPLOY_FAILED":
                said = " ".join([*MemoryKills(self._home).since(since), message[-1500:]])
                raise DeploymentFailedError(f"Endpoint {name} did not start with version {version}: {said}")
            if status == "RUNNING" and self._live_version(route, endpoint) == version:
                return
            time.sleep(0.2)
        killed = " ".join([*MemoryKills(self._home).since(since), "Ray says:"])
        raise DeploymentFailedError(
            f"Endpoint {name} was not ready after {_READY_SECONDS:g} s. {killed} {message[-1500:]}"
        )

    def _live_version(self, route: str, endpoint: str) -> str | None:
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, IndexError):
            with local_client(timeout=5) as client:
                answer = client.get(f"{self.url(route)}/v2/models/{endpoint}")
            return str(answer.json()["versions"][0])
        return None

    def _request(self, method: str, **content: Any) -> httpx.Response:
        url = f"{self._dashboard}/api/serve/applications/"
        try:
            with local_client(timeout=30, headers=authorization(self._home)) as client:
                answer = client.request(method, url, **content)
        except httpx.HTTPError as error:
            raise ServingUnavailableError(
                f"Ray does not answer at {self._dashboard}. Start the platform with `mlp up`, then materialize the "
                "endpoint again."
            ) from error
        if answer.status_code >= 400:
            raise DeploymentFailedError(f"Ray refused the endpoints' configuration: {answer.text[-1500:]}")
        return answer

    def _store(self, lease: Lease, desired: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._leases.fenced(lease):
            replace_text(self._folder / "desired.json", json.dumps(desired, indent=1), durable=True)

    def _writing(self) -> contextlib.AbstractContextManager[Lease]:
        return holding(self._leases, "serving", seconds=self._lease_seconds, wait_seconds=_WAIT_SECONDS)


def _without_route(desired: Mapping[str, Any], name: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The entries except one of another name with the plan's route: that endpoint was renamed.

    Raises:
        DeploymentFailedError: another project's endpoint has the route.
    """
    others = [other for other, entry in desired.items() if other != name and entry["plan"]["route"] == plan["route"]]
    foreign = [other for other in others if desired[other]["plan"]["project"] != plan["project"]]
    if foreign:
        raise DeploymentFailedError(
            f"Endpoint {name} cannot have route {plan['route']}, which {foreign[0]} has. Write another route, or take "
            f"that endpoint down: mlp remove {foreign[0]}"
        )
    return {other: entry for other, entry in desired.items() if other not in others}


def _application(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    plan, options = entry["plan"], entry["options"]
    smallest, largest = options["replicas"]
    deployment: dict[str, Any] = {
        "name": "endpoint",
        "user_config": plan,
        "max_ongoing_requests": 16,
        "max_queued_requests": 200,
        "ray_actor_options": {"num_cpus": options["cpus"]},
        "max_surge_percent": 100,
    }
    if smallest == largest:
        deployment["num_replicas"] = smallest
    else:
        deployment["autoscaling_config"] = {
            "min_replicas": smallest,
            "max_replicas": largest,
            "target_ongoing_requests": 4,
        }
    return {
        "name": name,
        "route_prefix": plan["route"],
        "import_path": "mlp_assets.endpoints.replica.deployment:application",
        "args": {},
        "runtime_env": _python_path(entry.get("folder")),
        "deployments": [deployment],
    }


def _python_path(folder: str | None) -> dict[str, Any]:
    """A runtime environment whose replicas find the package of ``derive``, which Ray was not started with."""
    search = os.pathsep.join(filter(None, [inherited_python_path(), folder]))
    return {"env_vars": {"PYTHONPATH": search}} if folder else {}

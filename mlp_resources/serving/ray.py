"""Endpoints on Ray Serve: one desired state in a file, one writer that applies it through Ray's REST interface."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from mlp_resources.compute.import_paths import import_folder, inherited_python_path
from mlp_resources.ports.serving import DeploymentFailedError, ServingUnavailableError

_READY_SECONDS = 60.0


class RayServing:
    """Control of the endpoints below ``home``. Every apply writes the whole desired state, so nothing is left out."""

    def __init__(self, home: Path, dashboard: str, port: int) -> None:
        self._folder = home / "serving"
        self._dashboard, self._port = dashboard, port

    def url(self, route: str) -> str:
        return f"http://127.0.0.1:{self._port}{route}"

    def desired(self) -> dict[str, Any]:
        """Application name -> its entry, as it should be."""
        path = self._folder / "desired.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def apply(self, plan: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        name = f"{plan['project']}.{plan['endpoint']}"
        with self._locked():
            before = self.desired()
            folder = import_folder(plan["derive"]) if plan["derive"] else None
            entry = {"plan": dict(plan), "options": dict(options), "folder": folder}
            after = _without_route(before, name, plan) | {name: entry}
            self._put(after)
            try:
                self._wait(name, str(plan["model"]["version"]), plan["route"], plan["endpoint"])
            except DeploymentFailedError:
                if name in before:
                    self._put(before)
                raise
            self._store(after)
        return self.url(plan["route"])

    def reconcile(self) -> list[str]:
        """Applies the stored state, as after a restart of Ray; returns the names of the applications."""
        with self._locked():
            desired = self.desired()
            if desired:
                self._put(desired)
            for name, entry in desired.items():
                plan = entry["plan"]
                self._wait(name, str(plan["model"]["version"]), plan["route"], plan["endpoint"])
        return list(desired)

    def remove(self, name: str) -> None:
        """Takes an endpoint down."""
        with self._locked():
            if name not in self.desired():
                raise DeploymentFailedError(f"There is no endpoint {name}. There are: {sorted(self.desired())}.")
            left = {key: value for key, value in self.desired().items() if key != name}
            self._put(left)
            self._store(left)

    def _put(self, desired: Mapping[str, Any]) -> None:
        config = {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self._port, "request_timeout_s": 30},
            "applications": [_application(name, entry) for name, entry in desired.items()],
        }
        self._request("PUT", json=config)

    def _wait(self, name: str, version: str, route: str, endpoint: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        told = ""
        while time.monotonic() < deadline:
            application = self._request("GET").json()["applications"].get(name, {})
            status, told = application.get("status"), application.get("message", "")
            if status == "DEPLOY_FAILED":
                raise DeploymentFailedError(f"Endpoint {name} did not start with version {version}: {told[-1500:]}")
            if status == "RUNNING" and self._answers(route, endpoint) == version:
                return
            time.sleep(0.2)
        raise DeploymentFailedError(
            f"Endpoint {name} was not ready after {_READY_SECONDS:g} s. Ray says: {told[-1500:]}"
        )

    def _answers(self, route: str, endpoint: str) -> str | None:
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, IndexError):
            answer = httpx.get(f"{self.url(route)}/v2/models/{endpoint}", timeout=5)
            return str(answer.json()["versions"][0])
        return None

    def _request(self, method: str, **content: Any) -> httpx.Response:
        try:
            answer = httpx.request(method, f"{self._dashboard}/api/serve/applications/", timeout=30, **content)
        except httpx.HTTPError as error:
            raise ServingUnavailableError(
                f"Ray does not answer at {self._dashboard}. Start the platform with `mlp up`, then materialize the "
                "endpoint again."
            ) from error
        if answer.status_code >= 400:
            raise DeploymentFailedError(f"Ray refused the endpoints' configuration: {answer.text[-1500:]}")
        return answer

    def _store(self, desired: Mapping[str, Any]) -> None:
        partial = self._folder / "desired.json.partial"
        partial.write_text(json.dumps(desired, indent=1))
        partial.replace(self._folder / "desired.json")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "desired.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _without_route(desired: Mapping[str, Any], name: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The entries without one that had the plan's route under another name, as of an endpoint that was renamed."""
    others = [other for other, entry in desired.items() if other != name and entry["plan"]["route"] == plan["route"]]
    foreign = [other for other in others if desired[other]["plan"]["project"] != plan["project"]]
    if foreign:
        raise DeploymentFailedError(
            f"Route {plan['route']} of endpoint {name} is already that of {foreign[0]}. Write another route, or take "
            f"that one down: mlp remove {foreign[0]}"
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
        "runtime_env": _finds(entry.get("folder")),
        "deployments": [deployment],
    }


def _finds(folder: str | None) -> dict[str, Any]:
    """A surrounding in which a replica finds the package of ``derive``, which Ray was not started with."""
    search = os.pathsep.join(filter(None, [inherited_python_path(), folder]))
    return {"env_vars": {"PYTHONPATH": search}} if folder else {}

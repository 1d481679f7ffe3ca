"""The chart in a namespace of the tests, and Dagster and MLflow as a browser reaches them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from mlp_resources.kubernetes.object_folder import ObjectFolder
from tests.support.cluster import Cluster, wait_for
from tests.support.installed import LAUNCH

CHART = Path(__file__).parents[2] / "deploy" / "chart"
PROGRAMS = ("helm", "kubectl")
NEEDED = ("TEST_POSTGRES", "TEST_POSTGRES_IN_CLUSTER", "TEST_POSTGRES_PASSWORD", "TEST_REDIS_IN_CLUSTER",
          "TEST_REDIS_PASSWORD")  # fmt: skip
_RUNS = """{ runsOrError(limit: 100) { ... on Runs { results { runId status rootRunId tags { key value } } } } }"""
_TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename ... on Error { message } } }"
_LOG = """query($run: ID!) {
  logsForRun(runId: $run) {
    ... on EventConnection {
      events {
        ... on MessageEvent { message }
        ... on ErrorEvent { error { message cause { message } } }
      }
    }
  }
}"""
_MATERIALIZATIONS = """query($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) { ... on Asset { assetMaterializations { runId } } }
}"""
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")


def missing() -> list[str]:
    """What a machine lacks for the tests of the chart."""
    return [name for name in NEEDED if not os.environ.get(name)] + [name for name in PROGRAMS if not shutil.which(name)]


class Chart:
    """An installation of the chart, of the code location ``tests.support.shop_definitions``.

    Args:
        kubeconfig: of an administrator of the namespace.
    """

    def __init__(self, cluster: Cluster, kubeconfig: str) -> None:
        self._cluster, self._kubeconfig = cluster, kubeconfig
        self.namespace = cluster.place.namespace

    def values(self) -> dict[str, Any]:
        dagster, mlflow = (f"{os.environ['TEST_POSTGRES_IN_CLUSTER']}/{name}" for name in self._databases())
        image, root = self._cluster.place.image, self._cluster.root
        return {
            "image": image,
            "imagePullPolicy": "Always",
            "locations": [{"name": "shop", "module": "tests.support.shop_definitions", "image": image}],
            "secret": "platform",
            "trainingSecret": self._cluster.place.secret,
            "promotionKey": {"secret": "promotion"},
            "lake": f"{root}/lake",
            "database": dagster,
            "online": os.environ["TEST_REDIS_IN_CLUSTER"],
            "mlflow": {"database": mlflow, "artifacts": f"{root}/mlflow"},
            "settings": {"MLP_SENSOR_SECONDS": "30"},
        }

    def _databases(self) -> tuple[str, str]:
        name = self.namespace.replace("-", "_")
        return f"{name}_dagster", f"{name}_mlflow"

    def install(self, folder: Path) -> None:
        """Makes databases and Secrets, installs the chart, and waits until all of it is ready."""
        for name in self._databases():
            _in_postgres(f'CREATE DATABASE "{name}"')
        passwords = {
            "PGPASSWORD": os.environ["TEST_POSTGRES_PASSWORD"],
            "MLP_REDIS_PASSWORD": os.environ["TEST_REDIS_PASSWORD"],
        }
        for name, entries in {
            "platform": passwords | self._cluster.keys,
            "promotion": {"promotion": uuid.uuid4().hex},
        }.items():
            secret = {"metadata": {"name": name}, "stringData": entries}
            self._cluster.core.create_namespaced_secret(self.namespace, secret)
        file = folder / "values.json"
        file.write_text(json.dumps(self.values()))
        self.run("helm", "install", "mlp", str(CHART), "-f", str(file), "--wait", "--timeout", "5m")

    def remove(self) -> None:
        self.run("helm", "uninstall", "mlp", "--wait", "--ignore-not-found")
        for name in self._databases():
            _in_postgres(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def run(self, program: str, *words: str) -> str:
        command = [program, "-n", self.namespace, *words]
        environment = os.environ | {"KUBECONFIG": self._kubeconfig}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{self._states()}"
        return done.stdout

    @contextlib.contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """The address of a Service on this machine during the block."""
        command = ["kubectl", "-n", self.namespace, "port-forward", f"service/{service}", f":{port}"]
        environment = os.environ | {"KUBECONFIG": self._kubeconfig}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as forward:
            try:
                assert forward.stdout is not None
                found = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
                assert found is not None
                yield f"http://127.0.0.1:{found[1]}"
            finally:
                forward.kill()

    def launch(self, address: str, keys: Sequence[str], tags: dict[str, str]) -> str:
        """Launches a run of these assets, as the web UI does. Returns its id."""
        selector = {
            "repositoryLocationName": "shop", "repositoryName": "__repository__", "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": ["shop", *key.split("/")]} for key in keys],
        }  # fmt: skip
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "mode": "default", "executionMetadata": metadata, "runConfigData": {}}
        answer = _asked(address, LAUNCH, {"params": params})["launchRun"]
        assert "run" in answer, answer
        return str(answer["run"]["runId"])

    def finish(self, address: str, run: str, seconds: float = 300) -> None:
        """Waits until the run, or the last of its retries, succeeds."""
        deadline, status = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            family = [each for each in _asked(address, _RUNS)["runsOrError"]["results"]
                      if run in (each["runId"], each["rootRunId"])]  # fmt: skip
            status = family[0]["status"]
            retried = any(tag["key"] == "dagster/will_retry" and tag["value"] == "true" for tag in family[0]["tags"])
            if status in _ENDED and not retried:
                assert status == "SUCCESS", _asked(address, _LOG, {"run": family[0]["runId"]})
                return
            time.sleep(1)
        raise AssertionError(f"The run is still {status}.\n{self._states()}")

    def cancel(self, address: str, run: str) -> None:
        """Ends a run, as the web UI does."""
        answer = _asked(address, _TERMINATE, {"run": run})["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def status(self, address: str, run: str) -> str:
        (found,) = [each for each in _asked(address, _RUNS)["runsOrError"]["results"] if each["runId"] == run]
        return str(found["status"])

    def materializations(self, address: str, key: str) -> int:
        """How often an asset was materialized."""
        variables = {"key": {"path": ["shop", *key.split("/")]}}
        return len(_asked(address, _MATERIALIZATIONS, variables)["assetOrError"].get("assetMaterializations", []))

    def trains(self) -> bool:
        return bool(self._pods("mlp.training"))

    def kill_run(self, run: str) -> bool:
        """Takes the pod of a run away, as an eviction does. Says whether there was one."""
        pods = self._pods(f"dagster/run-id={run}")
        self.run("kubectl", "delete", "pod", "-l", f"dagster/run-id={run}", "--grace-period=0", "--force")
        return bool(pods)

    def trainings_begun(self) -> int:
        """How many attempts of trainings there were."""
        store = ObjectFolder(f"{self._cluster.root}/lake/.trainings")
        return sum(name.isdecimal() for training in store.names() for name in store.below(training).names())

    def python(self, program: str, labels: dict[str, str]) -> list[str]:
        """What a program prints in a pod of its own."""
        name = f"probe-{uuid.uuid4().hex[:6]}"
        container = {
            "name": "probe", "image": self._cluster.place.image, "command": ["python", "-c", program],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }  # fmt: skip
        security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"restartPolicy": "Never", "containers": [container], "securityContext": security,
                "automountServiceAccountToken": False}  # fmt: skip
        core = self._cluster.core
        core.create_namespaced_pod(self.namespace, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        wait_for(lambda: core.read_namespaced_pod(name, self.namespace).status.phase in ("Succeeded", "Failed"), name)
        return self.run("kubectl", "logs", name).splitlines()

    def rights(self, account: str) -> set[str]:
        """What a ServiceAccount may do in the namespace: ``resource [verbs]``."""
        user = f"system:serviceaccount:{self.namespace}:{account}"
        listed = self.run("kubectl", "auth", "can-i", "--list", f"--as={user}").splitlines()[1:]
        return {f"{line.split()[0]} {line[line.rindex('[') :]}" for line in listed if not line.startswith(" ")}

    def _pods(self, selector: str) -> list[Any]:
        return self._cluster.core.list_namespaced_pod(self.namespace, label_selector=selector).items

    def _states(self) -> str:
        words = ["kubectl", "-n", self.namespace]
        environment = os.environ | {"KUBECONFIG": self._kubeconfig}
        lines = [
            subprocess.run([*words, *rest], env=environment, capture_output=True, text=True, check=False).stdout
            for rest in (["get", "pods", "-o", "wide"], ["get", "events"],
                         ["logs", "--tail=25", "-l", "mlp/component", "--prefix"])
        ]  # fmt: skip
        return "\n".join(lines)


def _in_postgres(statement: str) -> None:
    with contextlib.closing(psycopg2.connect(os.environ["TEST_POSTGRES"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _asked(address: str, query: str, variables: dict[str, Any] | None = None) -> Any:
    answer = httpx.post(f"{address}/graphql", json={"query": query, "variables": variables or {}}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]

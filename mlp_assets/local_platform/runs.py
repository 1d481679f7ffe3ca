"""Asks Dagster which run a process executes, and writes to the log of a run."""

import subprocess
import sys
from dataclasses import dataclass

import httpx

from mlp_assets.local_http import local_client
from mlp_assets.local_platform.leftovers import mark
from mlp_resources.environments.settings import load_settings
from mlp_resources.environments.variables import process_variables

_RUNS, _EVENTS, _SECONDS = 10, 50, 60
_QUERY = f"""{{
  runsOrError(limit: {_RUNS}) {{
    ... on Runs {{ results {{
      runId jobName assetSelection {{ path }}
      eventConnection(limit: {_EVENTS}) {{ events {{ ... on EngineEvent {{ message }} }} }}
    }} }}
  }}
}}"""
_ASSETS_OF_THE_UI = "__ASSET_JOB"


@dataclass(frozen=True)
class Run:
    """A run of Dagster: its id, and its job or the first of its assets."""

    id: str
    subject: str


def run_of_process(dagster_port: int, pid: int) -> Run | None:
    """The newest run that the process executes or executed; None where Dagster does not know or does not answer."""
    try:
        with local_client(timeout=30) as client:
            answer = client.post(f"http://127.0.0.1:{dagster_port}/graphql", json={"query": _QUERY})
        runs = answer.json()["data"]["runsOrError"]["results"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    started = f"Started process for run (pid: {pid})."
    for run in runs:
        if any(event.get("message") == started for event in run["eventConnection"]["events"]):
            assets = ["/".join(key["path"]) for key in run["assetSelection"] or []]
            subject = assets[0] if run["jobName"] == _ASSETS_OF_THE_UI and assets else run["jobName"]
            return Run(run["runId"], subject)
    return None


def write_to_run_log(run_id: str, message: str) -> None:
    """Adds the message to the log of the run, which the Dagster UI shows. A process of its own imports Dagster."""
    subprocess.run(
        [sys.executable, "-m", "mlp_assets.orchestration.run_log", run_id, message],
        env=process_variables(load_settings(), mark()),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_SECONDS,
        check=False,
    )

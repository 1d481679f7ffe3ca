"""Runs of Dagster that compute the same assets now, and what is left of runs of killed commands."""

import json
import os
import socket
from collections.abc import Collection

import dagster as dg
import psutil

PROCESS = "mlp/backfill_process"
"""Tag of a backfill's run: the process that executes it, and the second at which that process began."""

_SERVER = ".dagster/grpc_info"  # Dagster's tag of a run that a code server started; runs end with that server
_CONNECT_SECONDS = 5.0
_BEGUN = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def process_tag() -> dict[str, str]:
    """The tag of a run that this process executes."""
    return {PROCESS: _described(psutil.Process(os.getpid()))}


def running_beside(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey]) -> dg.DagsterRun | None:
    """A run that has begun and materializes one of the assets; None without one.

    A run whose backfill was killed, or whose platform ended, would count as begun for ever. It is recorded as failed.
    """
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_BEGUN)):
        if PROCESS in run.tags and not _lives(run.tags[PROCESS]):
            instance.report_run_failed(run, "The process of this backfill was killed.")
        elif _SERVER in run.tags and not _answers(json.loads(run.tags[_SERVER]).get("socket")):
            instance.report_run_failed(run, "The platform that started this run has ended.")
        elif _selected(instance, run) & set(assets):
            return run
    return None


def _selected(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[dg.AssetKey]:
    """The assets of a run. A run of a whole job has no selection, but an event for each asset that it planned."""
    if run.asset_selection is not None:
        return set(run.asset_selection)
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    entries = instance.all_logs(run.run_id, of_type=planned)
    events = [entry.dagster_event for entry in entries if entry.dagster_event is not None]
    return {event.asset_key for event in events if event.asset_key is not None}


def _lives(described: str) -> bool:
    try:
        return _described(psutil.Process(int(described.partition(" ")[0]))) == described
    except (psutil.Error, ValueError):
        return False


def _answers(path: str | None) -> bool:
    """Whether a server listens at the socket. A server at a port may be on another machine, so it counts as alive."""
    if path is None:
        return True
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


def _described(process: psutil.Process) -> str:
    return f"{process.pid} {process.create_time():.0f}"

"""Backfills as the web UI launches them: the GraphQL of the webserver, and the iterations of the daemon."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql

_LAUNCH = """mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_IN_THIS_PROCESS = {
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    }
}
_MOST_ITERATIONS = 12


class WebBackfills:
    """The webserver and the daemon of a code location. Their runs are executed in this process."""

    def __init__(self, workspace: WorkspaceProcessContext, instance: dg.DagsterInstance) -> None:
        self._workspace = workspace
        self.instance = instance

    def launch(self, keys: Sequence[dg.AssetKey], partitions: Sequence[str]) -> Any:
        """Launches a backfill of the partitions of the selected assets and returns it when it is over."""
        selected = [{"path": list(key.path)} for key in keys]
        params = {"assetSelection": selected, "partitionNames": list(partitions), "title": "a test"}
        answer = execute_dagster_graphql(self._workspace.create_request_context(), _LAUNCH, {"params": params})
        launched = answer.data["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        for _ in range(_MOST_ITERATIONS):
            errors = [error for error in execute_backfill_iteration(self._workspace, logging.getLogger()) if error]
            assert not errors, errors
            self._execute_queued_runs()
            backfill = self.instance.get_backfill(launched["backfillId"])
            if backfill is not None and backfill.status in BULK_ACTION_TERMINAL_STATUSES:
                return backfill
        raise AssertionError(f"The backfill is not over after {_MOST_ITERATIONS} iterations.")

    def _execute_queued_runs(self) -> None:
        for run in self.instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            started = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_DEQUEUED.value, run.job_name)
            self.instance.report_dagster_event(started, run.run_id)
            self.instance.launch_run(run.run_id, self._workspace.create_request_context())

    def partitions_of(self, key: dg.AssetKey) -> list[str]:
        """The partitions of the asset that were ever materialized."""
        return sorted(self.instance.get_materialized_partitions(key))


@contextlib.contextmanager
def web_backfills(module: str, folder: Path) -> Iterator[WebBackfills]:
    """The code location of a module, with an instance in the folder."""
    folder.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(folder), overrides=_IN_THIS_PROCESS) as instance:
        origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=module), location_name="team")
        target = InProcessWorkspaceLoadTarget(origin)
        with create_test_daemon_workspace_context(target, instance) as workspace:
            yield WebBackfills(workspace, instance)

"""Runs assets in this process without log output, and reads the metadata of their newest materialization."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.orchestration.facts import metadata_of

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def materialize(
    job: dg.JobDefinition, instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], tags: dict[str, str] | None = None
) -> None:
    """Materializes the assets in one run. Raises MlpError with the reason when it fails."""
    result = job.execute_in_process(
        instance=instance, asset_selection=list(keys), tags=tags or {}, raise_on_error=False, run_config=_QUIET
    )
    if not result.success:
        failed = [event for event in result.all_events if event.is_step_failure]
        error = failed[0].step_failure_data.error if failed else None
        cause = (error.cause or error) if error is not None else None
        raise MlpError(f"A run failed: {cause.message if cause is not None else 'no step gives a reason'}")


def facts(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    """The metadata of the newest materialization; empty without one."""
    return metadata_of(instance.get_latest_materialization_event(key))

"""One run of some assets in this process, quiet, with the reason when it fails; and what an asset says of itself."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.orchestration.facts import metadata_of

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def materialize(
    job: dg.JobDefinition, instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], tags: dict[str, str] | None = None
) -> None:
    """Raises MlpError with the reason when the run fails."""
    result = job.execute_in_process(
        instance=instance, asset_selection=list(keys), tags=tags or {}, raise_on_error=False, run_config=_QUIET
    )
    if not result.success:
        failed = [event for event in result.all_events if event.is_step_failure]
        told = failed[0].step_failure_data.error if failed else None
        cause = (told.cause or told) if told is not None else None
        raise MlpError(f"A run failed: {cause.message if cause is not None else 'no step says why'}")


def facts(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    """The metadata of the newest materialization; nothing where there is none."""
    return metadata_of(instance.get_latest_materialization_event(key))

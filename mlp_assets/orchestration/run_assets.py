"""Runs assets in this process without log output, as runs of the instance that the web UI shows like any other."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.utils import make_new_run_id

from mlp_assets.errors import MlpError
from mlp_assets.orchestration.facts import metadata_of
from mlp_assets.orchestration.refusals import refusals_of

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_INTERRUPTED = "DagsterExecutionInterruptedError"

OnMaterialized = Callable[[dg.AssetKey, str | None], None]
"""Called with the asset and the partition of each materialization."""


@dataclass(frozen=True)
class AssetRun:
    """A run that is over.

    Args:
        failures: asset -> why its step failed. Assets that were not run because of it are left out.
        interrupted: whether it ended because somebody interrupted this process.
        materialized: (asset, partition) of each materialization; the partition is None for an asset without any.
    """

    id: str
    seconds: float
    succeeded: bool
    failures: Mapping[dg.AssetKey, str]
    interrupted: bool
    materialized: tuple[tuple[dg.AssetKey, str | None], ...]


def run_assets(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    keys: Sequence[dg.AssetKey],
    tags: Mapping[str, str] | None = None,
    on_materialized: OnMaterialized | None = None,
) -> AssetRun:
    """Materializes the assets in one run and returns when it is over, also where it failed.

    Args:
        tags: tags of the run; those of a range of partitions choose the partitions.
        on_materialized: called while the run goes on.
    """
    run_id, started = make_new_run_id(), time.perf_counter()
    materialized: list[tuple[dg.AssetKey, str | None]] = []

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.is_step_materialization and event.asset_key is not None:
            materialized.append((event.asset_key, event.partition))
            if on_materialized is not None:
                on_materialized(event.asset_key, event.partition)

    instance.add_event_listener(run_id, listen)
    result = job.execute_in_process(
        instance=instance,
        asset_selection=list(keys),
        tags=dict(tags or {}),
        raise_on_error=False,
        run_config=_QUIET,
        run_id=run_id,
    )
    return AssetRun(
        id=run_id,
        seconds=time.perf_counter() - started,
        succeeded=result.success,
        failures=_failures_of(result, keys),
        interrupted=_is_interrupted(result),
        materialized=tuple(materialized),
    )


def _errors_of(result: dg.ExecuteInProcessResult) -> Mapping[str, Any]:
    """Step -> the error of a step that failed."""
    failed = [event for event in result.all_events if event.is_step_failure]
    return {str(event.step_key): event.step_failure_data.error for event in failed}


def _failures_of(result: dg.ExecuteInProcessResult, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, str]:
    """Asset -> the reason that its step gives, in the order in which the steps failed."""
    assets = {key.to_python_identifier(): key for key in keys}
    errors = {assets[step]: error for step, error in _errors_of(result).items() if step in assets and error is not None}
    return {key: (error.cause or error).message.strip() for key, error in errors.items()}


def _is_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    errors = [error for error in _errors_of(result).values() if error is not None]
    return any(_INTERRUPTED in (each.cls_name for each in (error, error.cause) if each is not None) for error in errors)


def materialize(
    job: dg.JobDefinition, instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], tags: dict[str, str] | None = None
) -> None:
    """Materializes the assets in one run. Raises MlpError with the reason where it fails or gates refuse."""
    run = run_assets(job, instance, keys, tags)
    if not run.succeeded:
        raise MlpError(f"A run failed: {next(iter(run.failures.values()), 'no step gives a reason')}")
    record = instance.get_run_by_id(run.id)
    if record is not None and (refusals := refusals_of(record)):
        raise MlpError(refusals[0])


def facts(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
    """The metadata of the newest materialization; empty without one."""
    return metadata_of(instance.get_latest_materialization_event(key))

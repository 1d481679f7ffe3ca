"""The runs that a sensor requested and that have not ended."""

import dagster as dg

from mlp_sensors import run_tags

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def tagged_runs(instance: dg.DagsterInstance, trigger: str, tag: str) -> set[str]:
    """The values of a tag of the unfinished runs with this trigger."""
    filters = dg.RunsFilter(tags={run_tags.TRIGGER: trigger}, statuses=_UNFINISHED)
    return {run.tags.get(tag, "") for run in instance.get_runs(filters=filters)}

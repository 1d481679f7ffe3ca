"""Late rows of a source -> a run that computes what they change, and publishes it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from mlp_sensors import run_tags
from mlp_sensors.unfinished_runs import tagged_runs


@dataclass(frozen=True)
class ArrivalView:
    """A view that is published when rows of its source arrive.

    Args:
        label: project and name.
        computed: the assets of its features and of its publication.
        arrived: from the version of the source that was seen last, or None: its newest version, and whether late rows
            came since. None until the view was computed once.
        request: the run of its newest step.
    """

    label: str
    computed: tuple[dg.AssetKey, ...]
    arrived: Callable[[int | None], tuple[int, bool] | None]
    request: Callable[[], dg.RunRequest | dg.SkipReason]


def arrival_sensor(name: str, views: Sequence[ArrivalView], interval_seconds: int) -> dg.SensorDefinition:
    """One sensor for all views of a code location. Its cursor holds the source version of each that was seen last."""

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(key for view in views for key in view.computed)),
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Computes and publishes a view with publish='on_arrival' when late rows of its source arrive.",
    )
    def publish(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen: dict[str, int] = json.loads(context.cursor or "{}")
        running = tagged_runs(context.instance, run_tags.ARRIVAL, run_tags.VIEW)
        requests: list[dg.RunRequest] = []
        for view in (view for view in views if view.label not in running):
            arrived = view.arrived(seen.get(view.label))
            if arrived is None:
                continue
            seen[view.label], late = arrived
            requests += _requests(view, seen[view.label]) if late else []
        if not requests:
            context.update_cursor(json.dumps(seen))
            return dg.SkipReason("No late rows have arrived, or the run for earlier ones has not ended.")
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen))

    return publish


def _requests(view: ArrivalView, version: int) -> list[dg.RunRequest]:
    newest = view.request()
    if isinstance(newest, dg.SkipReason):
        return []
    tags = {run_tags.TRIGGER: run_tags.ARRIVAL, run_tags.VIEW: view.label, **run_tags.RETRIES}
    return [
        dg.RunRequest(
            run_key=f"arrival:{view.label}:{version}",
            partition_key=newest.partition_key,
            asset_selection=list(view.computed),
            tags={**newest.tags, **tags},
        )
    ]

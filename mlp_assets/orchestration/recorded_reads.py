"""The table versions that materializations of an instance recorded as read, and its prediction logs."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from mlp_assets.orchestration import keys
from mlp_assets.orchestration.facts import metadata_of, versions_read_of
from mlp_resources.ports.lake import Table
from mlp_resources.ports.tables import Kind

_AT_ONCE = 1000
# A view's table says itself which version of its source it follows from, and a prediction which publication it read.
_RECORDED_ELSEWHERE = {Kind.FEATURES, Kind.ONLINE}


def recorded_reads(instance: dg.DagsterInstance, project: str) -> Iterator[Mapping[str, Any]]:
    """Table or location -> version, versions or None, of every materialization but those of the project's own views.

    Assets of other projects count too, wherever they are defined: they may read tables of this project.
    """
    for key in instance.get_asset_keys():
        if keys.kind_of(key) not in _RECORDED_ELSEWHERE or key.path[0] != project:
            for entry in _materializations(instance, key):
                yield versions_read_of(metadata_of(entry))


def prediction_tables(instance: dg.DagsterInstance) -> list[Table]:
    """The prediction logs of all projects."""
    return [keys.table(key) for key in instance.get_asset_keys() if keys.kind_of(key) is Kind.PREDICTIONS]


def _materializations(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[dg.EventLogEntry]:
    cursor = None
    while True:
        page = instance.fetch_materializations(key, limit=_AT_ONCE, cursor=cursor)
        yield from (record.event_log_entry for record in page.records)
        if not page.has_more:
            return
        cursor = page.cursor

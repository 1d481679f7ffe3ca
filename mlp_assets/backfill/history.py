"""What Dagster recorded of the partitions of an asset: when each was computed last, and by which definition."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg

from mlp_assets.orchestration.facts import CODE_VERSION, DATA_VERSION

_AT_ONCE = 500

Versions = Callable[[dg.AssetKey], str | None]
"""Asset -> the code version of its present definition."""


@dataclass(frozen=True)
class Computed:
    """The newest materialization of a partition.

    Args:
        order: rises with each materialization of the instance.
        code_version: of the definition that computed it; None where none was recorded.
    """

    order: int
    code_version: str | None


def computed_partitions(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Computed]:
    """Partition -> its newest materialization.

    A code version lies in the event, which holds metadata of some ten kilobytes. Partitions of one run have the same
    data version, which is indexed; so one event is read for each data version, not for each partition.
    """
    storage, kind = instance.event_log_storage, dg.DagsterEventType.ASSET_MATERIALIZATION
    orders = storage.get_latest_storage_id_by_partition(key, kind)
    tags = storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION])
    alike: dict[str | None, list[str]] = defaultdict(list)
    for partition in orders:
        alike[tags.get(partition, {}).get(DATA_VERSION)].append(partition)
    unversioned = [[partition] for partition in alike.pop(None, [])]
    groups = {max(orders[name] for name in names): names for names in (*alike.values(), *unversioned)}
    versions = _code_versions(instance, key, list(groups))
    return {name: Computed(orders[name], versions.get(order)) for order, names in groups.items() for name in names}


def _code_versions(instance: dg.DagsterInstance, key: dg.AssetKey, orders: list[int]) -> dict[int, str | None]:
    versions: dict[int, str | None] = {}
    for first in range(0, len(orders), _AT_ONCE):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=orders[first : first + _AT_ONCE])
        for record in instance.fetch_materializations(wanted, limit=_AT_ONCE).records:
            materialization = record.asset_materialization
            tags = materialization.tags if materialization is not None else None
            versions[record.storage_id] = (tags or {}).get(CODE_VERSION)
    return versions


def outdated_publications(
    instance: dg.DagsterInstance, publications: Mapping[dg.AssetKey, dg.AssetKey], versions: Versions
) -> list[dg.AssetKey]:
    """The publications that are older than their computed view, or were made by another definition.

    Args:
        publications: view -> its publication.
    """
    assets = [*publications, *publications.values()]
    entries = {record.asset_entry.asset_key: record.asset_entry for record in instance.get_asset_records(assets)}
    orders = {key: entry.last_materialization_storage_id or 0 for key, entry in entries.items()}
    recorded = instance.get_latest_materialization_code_versions(list(publications.values()))

    def is_outdated(view: dg.AssetKey, online: dg.AssetKey) -> bool:
        return orders[view] > orders.get(online, 0) or recorded.get(online) != versions(online)

    return [online for view, online in publications.items() if orders.get(view) and is_outdated(view, online)]

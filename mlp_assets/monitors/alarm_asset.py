"""Monitor -> the alarms that follow from its figures, and the episodes that they form."""

from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.monitors.compute import alarms as rules
from mlp_assets.monitors.compute.pictures import alarms_picture
from mlp_assets.monitors.watched_rows import versions_by_window, versions_now
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import markdown_table, measured, picture, table_metadata
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Lake, Table

_SHOWN = 8


def alarms_asset(scope: Scope, monitor: Monitor) -> dg.AssetsDefinition:
    """The asset of a monitor's alarms; its check ``calm`` warns while an episode is open."""
    project = scope.project.name
    key = keys.alarms(project, monitor)
    figures = [
        keys.drift(project, monitor),
        keys.estimated_performance(project, monitor),
        keys.realised_performance(project, monitor),
    ]

    @scope.asset(
        key=key,
        deps=figures,
        check_specs=[dg.AssetCheckSpec("calm", asset=key, description="No alarm episode is open.")],
        spec=monitor,
        kinds=["polars", "deltalake"],
        what="Which windows alarm, and the episodes that they form.",
    )
    def alarm() -> dg.MaterializeResult:
        with measured() as cost:
            lake, tables = scope.environment.lake, [keys.table(figure) for figure in figures]
            read = {str(table): lake.version(table) for table in tables}
            rows = pl.concat([lake.scan(table, read[str(table)]).collect() for table in tables])
            judged = [(rule, rules.judge(rule, rows)) for rule in monitor.alarms]
            served = versions_now(scope, monitor, labelled=False)
            states = rules.combine(judged, versions_by_window(scope, monitor, served))
            found = rules.episodes(f"{project}.{monitor.name}", states, calm=monitor.calm)
            found = rules.with_known_ids(found, states, _ids_before(lake, keys.table(key)))
            table = rules.windows_table(states, found)
            written = lake.replace(keys.table(key), table)
        newest = found[-1] if found else None
        return dg.MaterializeResult(
            metadata=_alarm_facts(newest, table)
            | table_metadata(table, written, {**read, **served})
            | {"preview": dg.MetadataValue.md(markdown_table(table.tail(_SHOWN)))}
            | {"episodes": len(found)}
            | cost.shown,
            data_version=dg.DataVersion(
                f"{newest.id}:{newest.last_window}:{newest.open}" if newest is not None else "calm"
            ),
            check_results=[_calm(newest)],
        )

    return alarm


def _ids_before(lake: Lake, table: Table) -> dict[str, str]:
    """Window -> the id of its episode, as the asset last wrote them."""
    if lake.version(table) is None:
        return {}
    rows = lake.scan(table).select("window", "episode").filter(pl.col("episode").is_not_null())
    return dict(rows.collect().iter_rows())


def _alarm_facts(newest: rules.Episode | None, table: pl.DataFrame) -> dict[str, Any]:
    shown = {"picture": picture(alarms_picture(table))} if table.height else {}
    return shown | {
        "episode_open": newest is not None and newest.open,
        "episode": newest.id if newest is not None else "",
        "told": newest.sentence if newest is not None else "",
    }


def _calm(newest: rules.Episode | None) -> dg.AssetCheckResult:
    open_one = newest if newest is not None and newest.open else None
    return dg.AssetCheckResult(
        passed=open_one is None,
        check_name="calm",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"told": open_one.sentence if open_one is not None else "calm"},
    )

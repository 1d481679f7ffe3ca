"""Monitor -> the alarms that follow from its figures, and the episodes that they form."""

import dagster as dg
import polars as pl

from mlp_assets.monitors.compute import alarms as rules
from mlp_assets.monitors.compute.pictures import alarms_picture
from mlp_assets.monitors.watched_rows import pin_versions, versions_by_window
from mlp_assets.nouns.monitor import Monitor
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import CALM
from mlp_assets.orchestration.facts import AlarmFacts
from mlp_assets.orchestration.metadata import markdown_table, measured, picture, table_metadata
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.lake import Lake, Table

_PREVIEW_WINDOWS = 8


def alarms_asset(scope: Scope, monitor: Monitor) -> dg.AssetsDefinition:
    """The asset of a monitor's alarms. Its check ``calm`` warns while an episode is open."""
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
        check_specs=[dg.AssetCheckSpec(CALM, asset=key, description="No alarm episode is open.")],
        spec=monitor,
        kinds=["polars", "deltalake"],
        what="Which windows alarm, and the episodes that they form.",
    )
    def alarm() -> dg.MaterializeResult:
        with measured() as cost:
            lake, tables = scope.environment.lake, [keys.table(figure) for figure in figures]
            read = {str(table): lake.version(table) for table in tables}
            rows = pl.concat([lake.scan(table, read[str(table)]).collect() for table in tables])
            verdicts = [(rule, rules.judge_windows(rule, rows)) for rule in monitor.alarms]
            predictions = pin_versions(scope, monitor, labelled=False)
            states = rules.combine_verdicts(verdicts, versions_by_window(scope, monitor, predictions))
            episodes = rules.find_episodes(f"{project}.{monitor.name}", states, calm=monitor.calm)
            episodes = rules.keep_ids(episodes, states, _recorded_ids(lake, keys.table(key)))
            table = rules.windows_table(states, episodes)
            written = lake.replace(keys.table(key), table)
        newest = episodes[-1] if episodes else None
        facts = _facts(newest)
        shown = table.tail(_PREVIEW_WINDOWS).rename({rules.MESSAGE_COLUMN: "message"})
        return dg.MaterializeResult(
            metadata=({"picture": picture(alarms_picture(table))} if table.height else {})
            | facts.to_metadata()
            | table_metadata(table, written, {**read, **predictions})
            | {"preview": dg.MetadataValue.md(markdown_table(shown)), "episodes": len(episodes)}
            | cost.shown,
            data_version=dg.DataVersion(
                f"{newest.id}:{newest.last_window}:{newest.open}" if newest is not None else "calm"
            ),
            check_results=[_check_calm(facts)],
        )

    return alarm


def _recorded_ids(lake: Lake, table: Table) -> dict[str, str]:
    """Window -> the id of its episode, as the asset last wrote them."""
    if lake.version(table) is None:
        return {}
    rows = lake.scan(table).select("window", "episode").filter(pl.col("episode").is_not_null())
    return dict(rows.collect().iter_rows())


def _facts(newest: rules.Episode | None) -> AlarmFacts:
    if newest is None:
        return AlarmFacts(episode_open=False, episode="", message="")
    return AlarmFacts(newest.open, newest.id, newest.message)


def _check_calm(facts: AlarmFacts) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not facts.episode_open,
        check_name=CALM,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"message": facts.message if facts.episode_open else "calm"},
    )

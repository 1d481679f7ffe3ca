"""FeatureView -> the asset that publishes its newest rows online."""

import dagster as dg

from mlp_assets.features.definitions.definition_note import shown
from mlp_assets.features.definitions.publishing import EarlierDefinitions, WrittenRows, publish_earlier, publish_view
from mlp_assets.features.history.holes import find_holes, near_newest
from mlp_assets.features.parity_check import Parity, compare_online_with_offline
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import COMPLETE_HISTORY, ONLINE_EQUALS_OFFLINE, SERVED_LAG
from mlp_assets.orchestration.history_checks import complete_history_spec, materialized_partitions, warning
from mlp_assets.orchestration.metadata import column_lineage, column_schema, markdown_table, measured
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.served_lag import served_lag
from mlp_assets.tables.as_of_join import FeatureTable


def online_asset(scope: Scope, view: FeatureView) -> dg.AssetsDefinition:
    """The asset that publishes the newest row of each entity. Readers see all old rows until they see all new ones."""
    features_key = keys.features(scope.project.name, view)
    key = keys.online(scope.project.name, view)
    freshness = dg.FreshnessPolicy.time_window(fail_window=duration(view.fresh_within)) if view.fresh_within else None
    location = scope.environment.online.location(scope.project.name, view.name)

    @scope.asset(
        key=key,
        deps=[features_key],
        freshness_policy=freshness,
        check_specs=[
            dg.AssetCheckSpec(
                ONLINE_EQUALS_OFFLINE,
                asset=key,
                description="A look-up gives the values that a training row would have.",
            ),
            complete_history_spec(key),
            dg.AssetCheckSpec(SERVED_LAG, asset=key, description="The newest moment was online as early as declared."),
        ],
        spec=view,
        kinds=[location.partition("://")[0] if "://" in location else "lmdb"],
        what=f"The newest features of each {view.entity.name}, for look-ups by endpoints.",
    )
    def publish(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            published = publish_view(scope, view)
            earlier = publish_earlier(scope, view)
        with measured() as checking:
            plan = ViewPlan.of(view, published.location)
            online = scope.environment.online.open_view(plan.location, plan.features)
            parity = compare_online_with_offline(plan, FeatureTable.of(view, published.rows), online, published.now)
        written, table = published.written, keys.table(features_key)
        schema = written.rows.schema
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": written.online,
                "dagster/column_schema": column_schema(schema),
                "dagster/column_lineage": column_lineage({name: [(features_key, name)] for name in schema}),
                "preview": dg.MetadataValue.md(markdown_table(written.rows.head(5))),
                "as_of": str(written.newest),
                "published": _amount(written),
                "delta_versions_read": dg.MetadataValue.json({str(table): published.version}),
                "location": published.location,
                **_earlier_facts(earlier),
                "check_seconds": checking.shown["seconds"],
            }
            | cost.shown,
            # The place that endpoints look up: a deployment does not become stale with each publication.
            data_version=dg.DataVersion(shown(published.definition)),
            check_results=[
                _check_result(parity),
                _lag_result(scope, view),
                _history(context, scope, view),
            ],
        )

    return publish


def _history(context: dg.AssetExecutionContext, scope: Scope, view: FeatureView) -> dg.AssetCheckResult:
    """Whether moments are missing that what is online depends on."""
    holes = find_holes(scope, view, near_newest(scope, view), materialized_partitions(scope, context.instance))
    missing = holes.describe(scope.project.name) if holes else None
    return warning(keys.online(scope.project.name, view), COMPLETE_HISTORY, missing, holes.facts)


def _amount(written: WrittenRows) -> str:
    return "all rows" if written.changed is None else f"{written.changed:,} changed of {written.online:,}"


def _earlier_facts(earlier: EarlierDefinitions) -> dict[str, dg.MetadataValue]:
    """Which earlier definitions are still online, and for which endpoints."""
    facts = {"earlier_definitions": earlier.published, "stale_definitions": earlier.stale}
    return {
        name: dg.MetadataValue.json({shown(definition): list(used) for definition, used in each.items()})
        for name, each in facts.items()
        if each
    }


def _check_result(parity: Parity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=ONLINE_EQUALS_OFFLINE,
        passed=parity.equal,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=parity.facts,
    )


def _lag_result(scope: Scope, view: FeatureView) -> dg.AssetCheckResult:
    lag = served_lag(scope.environment, scope.project, view)
    message = (
        f"{view.where}: the moment {lag.moment:%Y-%m-%d %H:%M} was online {lag.seconds:.0f} s later than declared. "
        "Training rows go by the record. Where there is none, they saw it too early: write a longer publish_delay."
        if lag.late
        else None
    )
    return dg.AssetCheckResult(
        check_name=SERVED_LAG,
        passed=not lag.late,
        severity=dg.AssetCheckSeverity.WARN,
        description=message,
        metadata=lag.facts,
    )

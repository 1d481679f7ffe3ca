"""FeatureView -> the asset that publishes its newest rows online."""

import dagster as dg

from mlp_assets.features.lookups_in_use import check_lookups
from mlp_assets.features.newest_rows import newest_rows
from mlp_assets.features.parity_check import Parity, compare_online_with_offline
from mlp_assets.features.table_progress import progress_of
from mlp_assets.features.view_plan import ViewPlan
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import ONLINE_EQUALS_OFFLINE, SERVED_LAG
from mlp_assets.orchestration.metadata import column_lineage, column_schema, markdown_table, measured
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.record import PublicationRecord
from mlp_assets.publications.served_lag import ServedLag, served_lag
from mlp_assets.tables.digest import canonical_digest


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
            dg.AssetCheckSpec(SERVED_LAG, asset=key, description="The newest moment was online as early as declared."),
        ],
        spec=view,
        kinds=[location.partition("://")[0] if "://" in location else "lmdb"],
        what=f"The newest features of each {view.entity.name}, for look-ups by endpoints.",
    )
    def publish() -> dg.MaterializeResult:
        environment, record = scope.environment, PublicationRecord(scope.environment, scope.project.name, view)
        check_lookups(scope, view)
        with measured() as cost:
            table = keys.table(features_key)
            version = environment.lake.version(table)
            now = environment.now()
            rows = environment.lake.scan(table, version)
            progress = progress_of(scope, view, rows, version, now)
            rows = rows.filter(progress.publishable())
            newest = newest_rows(view, rows, now)
            with record.recording(version or 0, progress) as note:
                environment.online.publish(
                    location, view.entity.keys, view.feature_names, newest, version=version or 0, note=note
                )
        with measured() as checking:
            plan = ViewPlan.of(view, location)
            published = environment.online.open_view(location, plan.features)
            parity = compare_online_with_offline(plan, view.ttl_length, rows, published, now)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": newest.height,
                "dagster/column_schema": column_schema(newest.schema),
                "dagster/column_lineage": column_lineage({name: [(features_key, name)] for name in newest.columns}),
                "preview": dg.MetadataValue.md(markdown_table(newest.head(5))),
                "as_of": str(newest["event_time"].max()),
                "delta_versions_read": dg.MetadataValue.json({str(table): version}),
                "location": location,
                "check_seconds": checking.shown["seconds"],
            }
            | cost.shown,
            data_version=dg.DataVersion(canonical_digest(newest)[:16]),
            check_results=[_check_result(parity), _lag_result(view, served_lag(environment, scope.project, view))],
        )

    return publish


def _check_result(parity: Parity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=ONLINE_EQUALS_OFFLINE,
        passed=parity.equal,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=parity.facts,
    )


def _lag_result(view: FeatureView, lag: ServedLag) -> dg.AssetCheckResult:
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

"""TrainingSet -> a Delta table of labelled rows, each with only what was known at its own time."""

import dagster as dg
import polars as pl

from mlp_assets.build import keys
from mlp_assets.build.certificate import certificate, certificate_spec
from mlp_assets.build.common import Scope
from mlp_assets.build.metadata import column_lineage, markdown_table, measured, table_metadata
from mlp_assets.build.sources import source_rows, source_table, source_versions
from mlp_assets.engine.asof import FeatureTable, join_as_known
from mlp_assets.engine.derived import with_derived
from mlp_assets.engine.digest import canonical_digest
from mlp_assets.engine.split import with_split
from mlp_assets.spec.errors import NothingToTrainError
from mlp_assets.spec.training_set import TrainingSet
from mlp_assets.spec.words import moment


def training_set_asset(scope: Scope, training_set: TrainingSet) -> dg.AssetsDefinition:
    """The asset of a training set. Its data version is the canonical digest of its rows."""
    key = keys.training_set(scope.project.name, training_set)
    views = [keys.features(scope.home(view), view) for view in training_set.features]
    labels = keys.source(scope.home(training_set.labels), training_set.labels)

    @scope.asset(
        key=key,
        deps=[labels, *views],
        check_specs=[certificate_spec(key)],
        spec=training_set,
        kinds=["polars", "deltalake"],
        what=f"Labelled rows for {training_set.target}, joined as known at each row's time.",
        functions=[training_set.derive],
    )
    def join() -> dg.MaterializeResult:
        with measured() as cost:
            versions = versions_read(scope, training_set)
            frame = joined_rows(scope, training_set, versions)
            written = scope.environment.lake.replace(keys.table(key), frame)
        digest = canonical_digest(frame)
        return dg.MaterializeResult(
            metadata=table_metadata(frame, written, versions)
            | cost.shown
            | {
                "digest": digest,
                "split": dg.MetadataValue.md(markdown_table(split_summary(frame, training_set.target))),
                "dagster/column_lineage": _lineage(scope, training_set),
            },
            data_version=dg.DataVersion(digest[:16]),
            check_results=[certificate(scope, training_set, written.version, versions)],
        )

    return join


def versions_read(scope: Scope, training_set: TrainingSet) -> dict[str, int | None]:
    """The Delta version of everything that the training set is made of, pinned before anything is read."""
    lake = scope.environment.lake
    tables = [keys.table(keys.features(scope.home(view), view)) for view in training_set.features]
    return source_versions(scope, [training_set.labels]) | {str(table): lake.version(table) for table in tables}


def joined_rows(scope: Scope, training_set: TrainingSet, versions: dict[str, int | None]) -> pl.DataFrame:
    """The rows of the training set at the pinned versions: keys, ``at``, ``known_at``, features, target, ``split``."""
    time, target = training_set.labels.event_time, training_set.target
    spine = source_rows(scope, training_set.labels, versions[str(source_table(scope, training_set.labels))])
    spine = spine.filter(pl.col(target).is_not_null())
    if training_set.since is not None:
        spine = spine.filter(pl.col(time) >= moment(training_set.since))
    spine = spine.select(*training_set.keys, time, "known_at", *training_set.request, target)
    tables = [_feature_table(scope, view, versions) for view in training_set.features]
    joined = join_as_known(spine, time, tables)
    given = [name for name in training_set.feature_names if name not in training_set.derived]
    rows = with_derived(joined.collect(), training_set.derived, given).select(
        *training_set.keys,
        pl.col(time).alias("at"),
        "known_at",
        *training_set.feature_names,
        pl.col(target).cast(pl.Float64),
    )
    try:
        return with_split(rows, "at", training_set.split).sort("at", *training_set.keys)
    except NothingToTrainError as error:
        since = f" Rows before since={training_set.since!r} are left out." if training_set.since is not None else ""
        raise NothingToTrainError(f"{training_set.where}: {error}{since}") from None


def _feature_table(scope: Scope, view, versions: dict[str, int | None]) -> FeatureTable:
    table = keys.table(keys.features(scope.home(view), view))
    rows = scope.environment.lake.scan(table, versions[str(table)])
    return FeatureTable(rows, tuple(view.entity.keys), view.feature_names, view.ttl_length)


def split_summary(frame: pl.DataFrame, target: str) -> pl.DataFrame:
    """Rows, time span and mean of the target for each part of the split."""
    return (
        frame.group_by("split")
        .agg(
            rows=pl.len(),
            first=pl.col("at").min().dt.to_string("%Y-%m-%d"),
            last=pl.col("at").max().dt.to_string("%Y-%m-%d"),
            **{f"mean_{target}": pl.col(target).mean()},
        )
        .sort("first")
    )


def _lineage(scope: Scope, training_set: TrainingSet) -> dg.TableColumnLineage:
    label_key = keys.source(scope.home(training_set.labels), training_set.labels)
    found: dict[str, list[tuple[dg.AssetKey, str]]] = {
        name: [(label_key, name)] for name in (*training_set.keys, *training_set.request, training_set.target)
    }
    for view in training_set.features:
        view_key = keys.features(scope.home(view), view)
        found |= {name: [(view_key, name)] for name in view.feature_names}
    for name, expression in training_set.derived.items():
        found[name] = [origin for root in expression.meta.root_names() for origin in found.get(root, [])]
    return column_lineage(found)

"""The leak certificate of a training set: a blocking check on what was written."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from mlp_assets.errors import LakeError
from mlp_assets.features.source_rows import event_rows
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.metadata import markdown_table
from mlp_assets.orchestration.scope import Scope
from mlp_assets.training_sets.compute.leaks import Leak, ViewEvidence, leaks
from mlp_assets.training_sets.compute.target_leaks import near_perfect

NAME = "leak_certificate"
_ROWS, _AT_RISK, _FOR_RANKS = 200, 100, 50_000
Versions = dict[str, int | None]


def certificate_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    what = "Sampled rows, derived again from the raw events that were known at each row's time, are what was written."
    return dg.AssetCheckSpec(NAME, asset=key, description=what, blocking=True)


def certificate(scope: Scope, training_set: TrainingSet, version: int, read: Versions) -> dg.AssetCheckResult:
    """Judges the version of the training set's table that was made of the versions ``read``."""
    key = keys.training_set(scope.project.name, training_set)
    rows = scope.environment.lake.scan(keys.table(key), version)
    chosen = _sampled(scope, training_set, rows, read)
    found = list(leaks(training_set, chosen.to_dicts(), evidence_of(scope, training_set, chosen, read)))
    perfect = near_perfect(training_set, _evenly(rows, _FOR_RANKS))
    told = [str(leak) for leak in found] + [_too_good(name, how) for name, how in perfect.items()]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=NAME,
        passed=not told,
        description=f"{training_set.where} must not be trained on: {'; '.join(told)}." if told else None,
        metadata={
            "rows_derived_again": chosen.height,
            "values_compared": chosen.height * len(training_set.feature_names),
            "leaks": dg.MetadataValue.md(_table(found, perfect)),
        },
    )


def check_certified(instance: dg.DagsterInstance, key: dg.AssetKey) -> None:
    """Raises LakeError when the training set of this key failed its certificate, whichever run asks."""
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, NAME))
    evaluation = record.event.asset_check_evaluation if record is not None and record.event is not None else None
    if evaluation is not None and not evaluation.passed:
        raise LakeError(f"{evaluation.description} Mend it, and materialize {key.to_user_string()} again.")


def evidence_of(scope: Scope, training_set: TrainingSet, chosen: pl.DataFrame, read: Versions) -> list[ViewEvidence]:
    """For each view, the raw events of the chosen rows' entities, at the version that the view was computed from."""
    return [_evidence(scope, view, chosen, read) for view in training_set.features]


def _evidence(scope: Scope, view: FeatureView, chosen: pl.DataFrame, read: Versions) -> ViewEvidence:
    events = _events(scope, view, read)
    wanted = chosen.lazy().select(view.entity.keys).unique()
    own = events.join(wanted, on=list(view.entity.keys), how="semi").filter(
        pl.col(view.source.event_time) < _end(chosen)
    )
    table = keys.table(keys.features(scope.home(view), view))
    moments = scope.environment.lake.scan(table, read[str(table)]).select(pl.col("event_time").unique().sort())
    return ViewEvidence(view, own.collect(), moments.collect().to_series().to_list())


def _end(chosen: pl.DataFrame) -> datetime:
    newest = chosen["at"].max()
    return newest if isinstance(newest, datetime) else datetime.max


def _events(scope: Scope, view: FeatureView, read: Versions) -> pl.LazyFrame:
    table = keys.table(keys.features(scope.home(view), view))
    recorded = scope.environment.lake.transaction(table, "source", read[str(table)])
    return event_rows(scope, view.source, recorded - 1 if recorded else None)


def _sampled(scope: Scope, training_set: TrainingSet, rows: pl.LazyFrame, read: Versions) -> pl.DataFrame:
    """Rows spread over the table, and rows at risk: those of an entity with an event that was not known yet."""
    risky = [_at_risk(scope, training_set, view, rows, read) for view in training_set.features]
    spread = _evenly(rows, _ROWS)
    return pl.concat([spread, *risky]).unique(maintain_order=True)


def _at_risk(
    scope: Scope, training_set: TrainingSet, view: FeatureView, rows: pl.LazyFrame, read: Versions
) -> pl.DataFrame:
    time, own = view.source.event_time, list(view.entity.keys)
    late = _events(scope, view, read).filter(pl.col("known_at") > pl.col(time))
    late = late.select(*own, __from=pl.col(time), __until=pl.col("known_at")).head(100 * _AT_RISK)
    meeting = rows.join(late, on=own).filter(pl.col("at") > pl.col("__from"), pl.col("at") < pl.col("__until"))
    return _evenly(meeting.drop("__from", "__until").unique(), _AT_RISK)


def _evenly(rows: pl.LazyFrame, count: int) -> pl.DataFrame:
    """So many rows, or all, at equal distances."""
    height = rows.select(pl.len()).collect().item()
    places = np.unique(np.linspace(0, height - 1, min(count, height)).astype(np.int64)) if height else np.array([], int)
    wanted = pl.LazyFrame({"__place": places}, schema={"__place": pl.UInt32})
    return rows.with_row_index("__place").join(wanted, on="__place", how="semi").drop("__place").collect()


def _too_good(name: str, how: float) -> str:
    return (
        f"feature {name!r} tells the target by itself ({how:.4f} of 1), as only the answer can. Take it out, or write "
        f"trust=[{name!r}] in the training set if it is honest"
    )


def _table(found: Sequence[Leak], perfect: dict[str, float]) -> str:
    rows: list[dict[str, Any]] = [
        {"feature": leak.feature, "row": leak.row, "stored": leak.stored, "known then": leak.known, "why": leak.why}
        for leak in found
    ]
    rows += [
        {"feature": name, "row": "all", "stored": None, "known then": None, "why": f"tells the target: {how:.4f} of 1"}
        for name, how in perfect.items()
    ]
    return markdown_table(pl.DataFrame(rows)) if rows else "none"

"""Checks a written training set for leaks: values of a later time, and features that give the target away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.features.source_rows import event_rows
from mlp_assets.nouns.checks.texts import duration
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_assets.publications.visibility import Versions, pinned_availability, read_history
from mlp_assets.tables.standing_rows import moments_held
from mlp_assets.training_sets.compute.leaks import Leak, ViewEvidence, find_leaks
from mlp_assets.training_sets.compute.seen import Published, Seen
from mlp_assets.training_sets.compute.target_leaks import find_target_leaks
from mlp_assets.training_sets.logged_leaks import find_unlogged

_ROWS, _AT_RISK, _FOR_RANKS = 200, 100, 50_000


@dataclass(frozen=True)
class LeakReport:
    """The result of the check.

    Args:
        leaks: values that differ from what was known at their row's time.
        target_leaks: feature -> how well it alone determines the target, up to 1.
    """

    rows_recomputed: int
    values_compared: int
    leaks: tuple[Leak, ...]
    target_leaks: Mapping[str, float]

    @property
    def problems(self) -> list[str]:
        """One sentence for each leak; none when the training set may be trained on."""
        strengths = self.target_leaks.items()
        return [*map(str, self.leaks), *(_target_leak(name, strength) for name, strength in strengths)]

    def table(self) -> pl.DataFrame:
        """A row for each leak; no columns when there is none."""
        rows: list[dict[str, Any]] = [
            {"feature": leak.feature, "row": leak.row, "stored": leak.stored, "known then": leak.known, "why": leak.why}
            for leak in self.leaks
        ]
        rows += [
            {
                "feature": name, "row": "all", "stored": None, "known then": None,
                "why": f"determines the target: {strength:.4f} of 1",
            }
            for name, strength in self.target_leaks.items()
        ]  # fmt: skip
        return pl.DataFrame(rows)


def check_leaks(scope: Scope, training_set: TrainingSet, version: int, read: Versions) -> LeakReport:
    """Checks a version of the training set's table.

    Args:
        version: the Delta version to check.
        read: table -> the Delta version that the training set was computed from.
    """
    rows = scope.environment.lake.scan(keys.table(keys.training_set(scope.project.name, training_set)), version)
    endpoint = training_set.logged_by
    if endpoint is not None:
        sample = _evenly(rows, _ROWS)
        leaks = (*find_leaks(training_set, sample.to_dicts(), ()), *find_unlogged(scope, training_set, sample, read))
        return _report(training_set, rows, sample, leaks)
    sample = _sample(scope, training_set, rows, read)
    evidence = [
        _evidence(scope, view, sample, read, _seen(scope, training_set, view, read)) for view in training_set.features
    ]
    return _report(training_set, rows, sample, tuple(find_leaks(training_set, sample.to_dicts(), evidence)))


def _report(training_set: TrainingSet, rows: pl.LazyFrame, sample: pl.DataFrame, leaks: tuple[Leak, ...]) -> LeakReport:
    return LeakReport(
        rows_recomputed=sample.height,
        values_compared=sample.height * len(training_set.feature_names),
        leaks=leaks,
        target_leaks=find_target_leaks(training_set, _evenly(rows, _FOR_RANKS)),
    )


def _seen(scope: Scope, training_set: TrainingSet, view: FeatureView, read: Versions) -> Seen:
    availability = pinned_availability(scope.project, view, training_set.availability, read)
    if availability != "served":
        return Seen(scope.project, view, availability)
    history = read_history(scope.environment, scope.project, view, read)
    finished = [
        Published(each.visible, each.progress.known_until, each.progress.spans)
        for each in history
        if each.visible is not None
    ]
    return Seen(scope.project, view, availability, history[0].begun if history else None, finished)


def _evidence(scope: Scope, view: FeatureView, sample: pl.DataFrame, read: Versions, seen: Seen) -> ViewEvidence:
    """The raw events of the sampled rows' entities, at the version that the view was computed from."""
    entities = sample.lazy().select(view.entity.keys).unique()
    events = (
        _events(scope, view, read)
        .join(entities, on=list(view.entity.keys), how="semi")
        .filter(pl.col(view.source.event_time) < _newest(sample))
    )
    table = keys.table(keys.features(scope.home(view), view))
    moments = moments_held(scope.environment.lake.scan(table, read[str(table)]), duration(view.every))
    return ViewEvidence(view, events.collect(), moments.to_list(), seen)


def _newest(sample: pl.DataFrame) -> datetime:
    newest = sample["at"].max()
    return newest if isinstance(newest, datetime) else datetime.max


def _events(scope: Scope, view: FeatureView, read: Versions) -> pl.LazyFrame:
    table = keys.table(keys.features(scope.home(view), view))
    recorded = scope.environment.lake.transaction(table, "source", read[str(table)])
    return event_rows(scope, view.source, recorded - 1 if recorded else None)


def _sample(scope: Scope, training_set: TrainingSet, rows: pl.LazyFrame, read: Versions) -> pl.DataFrame:
    """Rows spread over the table, and rows at risk: those of an entity with an event that was not known yet."""
    risky = [_at_risk(scope, view, rows, read) for view in training_set.features]
    return pl.concat([_evenly(rows, _ROWS), *risky]).unique(maintain_order=True)


def _at_risk(scope: Scope, view: FeatureView, rows: pl.LazyFrame, read: Versions) -> pl.DataFrame:
    time, entity = view.source.event_time, list(view.entity.keys)
    late = _events(scope, view, read).filter(pl.col("known_at") > pl.col(time))
    late = late.select(*entity, __from=pl.col(time), __until=pl.col("known_at")).head(100 * _AT_RISK).sort("__from")
    late = late.with_columns(pl.col("__until").cum_max().over(entity))  # the newest event before a row speaks for all
    asked = rows.select(*entity, "at").with_row_index("__place").sort("at")
    meeting = asked.join_asof(
        late, left_on="at", right_on="__from", by=entity, allow_exact_matches=False, check_sortedness=False
    )
    meeting = meeting.filter(pl.col("at") < pl.col("__until"))
    places = meeting.select(pl.col("__place").sort()).collect().to_series().to_numpy()
    return _rows_at(rows, places[_spread(len(places), _AT_RISK)])


def _evenly(rows: pl.LazyFrame, count: int) -> pl.DataFrame:
    """At most ``count`` rows, at equal distances."""
    return _rows_at(rows, _spread(rows.select(pl.len()).collect().item(), count))


def _spread(height: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` of the numbers below ``height``, at equal distances."""
    return np.unique(np.linspace(0, max(0, height - 1), min(count, height)).astype(np.int64))


def _rows_at(rows: pl.LazyFrame, places: NDArray[np.integer]) -> pl.DataFrame:
    wanted = pl.LazyFrame({"__place": places}, schema={"__place": pl.UInt32})
    return rows.with_row_index("__place").join(wanted, on="__place", how="semi").drop("__place").collect()


def _target_leak(name: str, strength: float) -> str:
    return (
        f"feature {name!r} determines the target on its own ({strength:.4f} of 1), which usually means that it was "
        f"made from the target. Remove it, or write trust=[{name!r}] in the training set if it is legitimate"
    )

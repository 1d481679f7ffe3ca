"""Monitor: what is watched on an endpoint, when it alarms, and what then happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.noun import Noun
from mlp_assets.nouns.source import cadence_problems


@dataclass(frozen=True)
class DriftAlarm:
    """The distribution of the inputs moved further than it does from one reference window to the next.

    Args:
        features: which features count; None means all.
        share: the share of those features, in (0, 1], that must have drifted for a window to alarm.
        strong: one feature that is this many times over its own limit alarms alone; None: only the share counts.
        consecutive: how many windows in a row must alarm.
    """

    features: Sequence[str] | None = None
    share: float = 0.25
    strong: float | None = 4.0
    consecutive: int = 2


@dataclass(frozen=True)
class QualityAlarm:
    """Values are missing or out of the reference's range more often than from one reference window to the next.

    The fields mean what they mean for ``DriftAlarm``.
    """

    features: Sequence[str] | None = None
    share: float = 0.1
    strong: float | None = 4.0
    consecutive: int = 2


@dataclass(frozen=True)
class PerformanceAlarm:
    """The estimated or realised metric left the band that the reference windows span.

    Args:
        metric: ``"roc_auc"`` (binary), ``"accuracy"`` (multiclass) or ``"mae"`` (regression).
        kind: ``"realised"`` from labels, or ``"estimated"`` before they are in.
        drop: the smallest worsening that matters, as a share of the reference's median.
        consecutive: how many windows in a row must alarm.
    """

    metric: str
    kind: Literal["estimated", "realised"] = "realised"
    drop: float = 0.02
    consecutive: int = 2


Alarm = DriftAlarm | QualityAlarm | PerformanceAlarm


@dataclass(frozen=True, eq=False)
class Monitor(Noun):
    """Drift, data quality and performance of an endpoint, one window at a time.

    Args:
        name: lower-case identifier.
        watches: the endpoint.
        alarms: when a window alarms.
        every: the length of a window.
        reference_windows: how many labelled windows before the deployment are the reference.
        minimum_rows: a window of fewer rows is reported as insufficient data, never as fine.
        retrain: whether an alarm starts one retraining per live version and alarm episode.
        calm: how many calm windows in a row end an episode.
    """

    name: str
    watches: Endpoint
    alarms: Sequence[Alarm]
    every: str = "1w"
    reference_windows: int = 12
    minimum_rows: int = 500
    retrain: bool = False
    calm: int = 2
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        object.__setattr__(self, "alarms", texts.frozen_sequence(self.alarms))
        object.__setattr__(self, "tags", texts.frozen_mapping(self.tags))

    def own_problems(self) -> list[Problem]:
        found = texts.duration_problems(self.where, "every", self.every) + cadence_problems(self.where, self.every)
        if not self.alarms:
            fix = "Write alarms=[mlp.DriftAlarm(), mlp.QualityAlarm()], say."
            found.append(Problem(self.where, "it has no alarms, so nobody would hear of anything", fix))
        for name, least in (("reference_windows", 4), ("minimum_rows", 1), ("calm", 1)):
            if getattr(self, name) < least:
                what = f"{name}={getattr(self, name)} is too few"
                found.append(Problem(self.where, what, f"Write {name}={least} or more."))
        return found + [problem for alarm in self.alarms for problem in self._alarm_problems(alarm)]

    def linked_problems(self) -> list[Problem]:
        training_set = self.watches.model.training_set
        usable = not any(spec.problems() for spec in (training_set, *training_set.features))
        found: list[Problem] = []
        for alarm in self.alarms:
            if isinstance(alarm, PerformanceAlarm):
                found += self._metric_problems(alarm)
            elif usable and alarm.features is not None:
                own = self.watches.model.watched if isinstance(alarm, DriftAlarm) else ()
                names = [*training_set.numbers, *own]
                spot = f"{self.where}, {type(alarm).__name__}"
                found += texts.column_problems(spot, alarm.features, dict.fromkeys(names), "the model's features")
        return found

    def _metric_problems(self, alarm: PerformanceAlarm) -> list[Problem]:
        task = self.watches.model.task_kind
        metrics, trouble = task.logged_metrics, "does not exist"
        if alarm.kind == "estimated" and alarm.metric in metrics:
            metrics, trouble = (task.estimated_metric,), "is not estimated"
        if alarm.metric in metrics:
            return []
        what = f"metric {alarm.metric!r} {trouble} for a {task.name} model"
        return [Problem(f"{self.where}, PerformanceAlarm", what, texts.did_you_mean(alarm.metric, metrics))]

    def _alarm_problems(self, alarm: Alarm) -> list[Problem]:
        spot = f"{self.where}, {type(alarm).__name__}"
        found: list[Problem] = []
        if alarm.consecutive < 1:
            found.append(Problem(spot, f"consecutive={alarm.consecutive} never holds", "Write consecutive=2."))
        if isinstance(alarm, PerformanceAlarm):
            if not 0 <= alarm.drop < 1:
                found.append(Problem(spot, f"drop={alarm.drop} is no share", "Write drop=0.02 for 2 %, say."))
            return found
        if not 0 < alarm.share <= 1:
            found.append(Problem(spot, f"share={alarm.share} is no share", "Write a number above 0, at most 1."))
        if alarm.strong is not None and alarm.strong <= 1:
            fix = "Write strong=4.0, or None for no such rule."
            found.append(Problem(spot, f"strong={alarm.strong} is not beyond the limit", fix))
        if alarm.features is not None and not alarm.features:
            found.append(Problem(spot, "features=() watches nothing", "Name some, or leave it out for all."))
        return found

"""Monitor: what is watched on an endpoint, when it alarms, and what an alarm starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlp_assets.errors import Problem
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.cadences import monitor_cadence_problems
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.noun import Noun


@dataclass(frozen=True)
class DriftAlarm:
    """The inputs drifted further than they do between reference windows.

    Args:
        features: the features that count. None means all.
        share: the share of these features, in (0, 1], that must drift for a window to alarm.
        strong: a single feature alarms if it is this many times over its own limit. None means only the share counts.
        consecutive: number of windows in a row that must alarm.
    """

    features: Sequence[str] | None = None
    share: float = 0.25
    strong: float | None = 4.0
    consecutive: int = 2


@dataclass(frozen=True)
class QualityAlarm:
    """Values are missing or out of range more often than they are in the reference windows.

    The fields have the same meaning as those of ``DriftAlarm``.
    """

    features: Sequence[str] | None = None
    share: float = 0.1
    strong: float | None = 4.0
    consecutive: int = 2


@dataclass(frozen=True)
class PerformanceAlarm:
    """The estimated or realised metric left the band of the reference windows.

    Args:
        metric: ``"roc_auc"`` (binary), ``"accuracy"`` (multiclass) or ``"mae"`` (regression).
        kind: ``"realised"`` from labels, or ``"estimated"`` before labels arrive.
        drop: the smallest loss that counts, as a share of the median of the reference.
        consecutive: number of windows in a row that must alarm.
    """

    metric: str
    kind: Literal["estimated", "realised"] = "realised"
    drop: float = 0.02
    consecutive: int = 2


Alarm = DriftAlarm | QualityAlarm | PerformanceAlarm


@dataclass(frozen=True, eq=False)
class Monitor(Noun):
    """Measures drift, data quality and performance of an endpoint, window by window.

    Args:
        name: lower-case identifier.
        watches: the endpoint.
        alarms: the conditions on which a window alarms.
        every: the length of a window, ``"1d"`` or ``"1w"``.
        reference_windows: number of labelled windows before the deployment that form the reference.
        minimum_rows: a window with fewer rows is reported as insufficient data, not as healthy.
        retrain: whether an alarm starts a retraining, one per live version and alarm episode.
        calm: number of windows in a row without an alarm that end an episode.
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
        problems = texts.duration_problems(self.where, "every", self.every)
        problems += monitor_cadence_problems(self.where, self.every)
        if not self.alarms:
            fix = "Write alarms=[mlp.DriftAlarm(), mlp.QualityAlarm()], for example."
            problems.append(Problem(self.where, "it has no alarms, so it would never report anything", fix))
        for name, least in (("reference_windows", 4), ("minimum_rows", 1), ("calm", 1)):
            if getattr(self, name) < least:
                what = f"{name}={getattr(self, name)} is too few"
                problems.append(Problem(self.where, what, f"Write {name}={least} or more."))
        return problems + [problem for alarm in self.alarms for problem in self._alarm_problems(alarm)]

    def linked_problems(self) -> list[Problem]:
        training_set = self.watches.model.training_set
        usable = not any(spec.problems() for spec in (training_set, *training_set.features))
        problems: list[Problem] = []
        for alarm in self.alarms:
            if isinstance(alarm, PerformanceAlarm):
                problems += self._metric_problems(alarm)
            elif usable and alarm.features is not None:
                own = self.watches.model.drift_columns if isinstance(alarm, DriftAlarm) else ()
                names = [*training_set.numbers, *own]
                spot = f"{self.where}, {type(alarm).__name__}"
                problems += texts.column_problems(spot, alarm.features, dict.fromkeys(names), "the model's features")
        return problems

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
        problems: list[Problem] = []
        if alarm.consecutive < 1:
            problems.append(
                Problem(spot, f"consecutive={alarm.consecutive} is too few", "Write consecutive=1 or more.")
            )
        if isinstance(alarm, PerformanceAlarm):
            if not 0 <= alarm.drop < 1:
                problems.append(
                    Problem(
                        spot,
                        f"drop={alarm.drop} is not a share",
                        "Write a number from 0 to below 1, such as drop=0.02 for 2 %.",
                    )
                )
            return problems
        if not 0 < alarm.share <= 1:
            problems.append(
                Problem(
                    spot,
                    f"share={alarm.share} is not a share",
                    "Write a number above 0 and at most 1, such as share=0.25.",
                )
            )
        if alarm.strong is not None and alarm.strong <= 1:
            fix = "Write strong=4.0, for example, or strong=None to leave the rule out."
            problems.append(Problem(spot, f"strong={alarm.strong} is not above 1, the limit itself", fix))
        if alarm.features is not None and not alarm.features:
            problems.append(
                Problem(spot, "features=() watches nothing", "Name at least one feature, or leave it out to watch all.")
            )
        return problems

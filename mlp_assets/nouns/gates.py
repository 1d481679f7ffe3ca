"""Gates: conditions that a candidate must meet to become the champion. Each becomes an asset check."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AtLeast:
    """The metric on the newest labelled window is ``value`` or more."""

    metric: str
    value: float

    @property
    def name(self) -> str:
        return f"{self.metric}_at_least"


@dataclass(frozen=True)
class AtMost:
    """The metric on the newest labelled window is ``value`` or less."""

    metric: str
    value: float

    @property
    def name(self) -> str:
        return f"{self.metric}_at_most"


@dataclass(frozen=True)
class BetterThan:
    """Better than a simple baseline: the paired bootstrap interval over groups excludes zero.

    Args:
        baseline: ``"base_rate"``, ``"logistic_regression"``, ``"tfidf"``, ``"mean"`` or ``"column:<feature>"``.
        metric: one metric. None means the compared metrics of the task: roc_auc and log_loss (binary), accuracy and
            log_loss (multiclass) or mae (regression).
        by: the key column whose rows the bootstrap draws together. None means the first key.
    """

    baseline: str
    metric: str | None = None
    by: str | None = None

    @property
    def name(self) -> str:
        return "better_than_" + self.baseline.replace(":", "_")


@dataclass(frozen=True)
class NoWorseThan:
    """At most ``margin`` worse than the champion, on the newest labelled rows that neither was trained on.

    A tie passes. Without a champion the gate passes, so that the absolute and baseline gates decide.

    Args:
        metric: one metric. None means the compared metrics of the task: roc_auc and log_loss (binary), accuracy and
            log_loss (multiclass) or mae (regression).
        margin: how much worse it may be, in units of the metric.
        sure: True requires the whole 95 % interval of a paired bootstrap to lie within the margin (non-inferiority).
            False requires only the difference itself.
        by: the key column whose rows the bootstrap draws together. None means the first key.
    """

    rival: str = "champion"
    metric: str | None = None
    margin: float = 0.0
    sure: bool = False
    by: str | None = None

    @property
    def name(self) -> str:
        return f"no_worse_than_{self.rival}"


@dataclass(frozen=True)
class OnEverySlice:
    """For each value of a column, the metric of its rows is on the right side of ``value``.

    That is at least ``value``, or at most ``value`` where lower is better.

    Args:
        by: a key, a request column, a feature, or the target of a multiclass model. A column of many numbers is cut
            at its quartiles.
        min_rows: slices with fewer rows are listed but not judged.
    """

    metric: str
    value: float
    by: str
    min_rows: int = 200

    @property
    def name(self) -> str:
        return f"{self.metric}_on_every_{self.by}"


@dataclass(frozen=True)
class Calibrated:
    """The calibration error is at most ``most``.

    Binary: the expected calibration error over ten bins with equal numbers of rows. Multiclass: the same for the
    likeliest class. Regression: the relative distance between the mean prediction and the mean target.
    """

    most: float

    @property
    def name(self) -> str:
        return "calibrated"


@dataclass(frozen=True)
class FasterThan:
    """The stored model predicts ``rows`` rows within ``milliseconds`` in ``percentile`` % of the calls.

    Timed on one thread of the machine that judges the candidate.
    """

    milliseconds: float
    rows: int = 1
    percentile: float = 99.0

    @property
    def name(self) -> str:
        return f"faster_than_for_{self.rows}_rows"


@dataclass(frozen=True)
class SmallerThan:
    """The files of the stored model have at most ``megabytes`` in all."""

    megabytes: float

    @property
    def name(self) -> str:
        return "smaller_than"


Gate = AtLeast | AtMost | BetterThan | NoWorseThan | OnEverySlice | Calibrated | FasterThan | SmallerThan

"""Gates: what a candidate must show before it may become the champion. Each becomes a blocking asset check."""

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
    """Better than a simple baseline, with a paired bootstrap interval over groups that excludes zero.

    Args:
        baseline: ``"base_rate"``, ``"logistic_regression"``, ``"tfidf"``, ``"mean"`` or ``"column:<feature>"``.
        metric: one metric; None means roc_auc and log_loss, accuracy and log_loss, or mae.
        by: the key column whose values are drawn together; None means the first key.
    """

    baseline: str
    metric: str | None = None
    by: str | None = None

    @property
    def name(self) -> str:
        return "better_than_" + self.baseline.replace(":", "_")


@dataclass(frozen=True)
class NoWorseThan:
    """At most ``margin`` worse than the champion, both scored on the newest labelled rows that neither trained on.

    A missing champion passes: the absolute and baseline gates decide. A tie passes.

    Args:
        metric: one metric; None means roc_auc and log_loss, accuracy and log_loss, or mae.
        margin: by how much it may be worse, in units of the metric.
        sure: True asks for the whole 95 % interval of a paired bootstrap to lie within the margin (non-inferiority);
            False for the difference itself.
        by: the key column whose values are drawn together; None means the first key.
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
    """On the rows of each value of a column the metric is on the right side of ``value``: at least it, or at most it
    where lower is better.

    Args:
        by: a key, a request column, a feature or the target of a multiclass model; many numbers are cut at quartiles.
        min_rows: slices with fewer rows are named, and not judged.
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
    """Predictions mean what they say, up to ``most``.

    For a binary model that is the expected calibration error, over ten bins of equally many rows; for a multiclass
    model the same of the likeliest class; for a regression the distance of the mean prediction from the mean truth, in
    parts of it.
    """

    most: float

    @property
    def name(self) -> str:
        return "calibrated"


@dataclass(frozen=True)
class FasterThan:
    """The stored model predicts ``rows`` rows within so many milliseconds, in ``percentile`` % of the calls.

    It is timed on one thread of the machine that judges it.
    """

    milliseconds: float
    rows: int = 1
    percentile: float = 99.0

    @property
    def name(self) -> str:
        return f"faster_than_for_{self.rows}_rows"


@dataclass(frozen=True)
class SmallerThan:
    """All files of the stored model have at most so many megabytes."""

    megabytes: float

    @property
    def name(self) -> str:
        return "smaller_than"


Gate = AtLeast | AtMost | BetterThan | NoWorseThan | OnEverySlice | Calibrated | FasterThan | SmallerThan

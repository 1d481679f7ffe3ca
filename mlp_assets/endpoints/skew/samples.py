"""Whether a candidate passes by the samples that were compared for it, and why, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlp_assets.endpoints.skew.report import SkewReport

_FIX = (
    "The candidate would be given the same. Look at the check feature_skew of the endpoint's predictions, mend the "
    "cause and publish the view again. Once the newest predictions agree, materialize the candidate again. A candidate "
    "that does without the feature, or is trained on another definition of it, is not refused for it."
)


@dataclass(frozen=True)
class Sample:
    """Rows that were compared with the offline path.

    Args:
        name: of the rows, as ``"the newest predictions"``.
        report: None where nothing was compared.
        notes: sentences on what was not judged.
    """

    name: str
    report: SkewReport | None
    notes: tuple[str, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Why something was not judged."""
        counted = self.report.not_judged if self.report is not None else {}
        left_out = [f"{rows} of {self.name} were not judged: they are {reason}." for reason, rows in counted.items()]
        return [*self.notes, *left_out]


@dataclass(frozen=True)
class Outcome:
    passed: bool
    message: str
    numbers: Mapping[str, float]


def describe_samples(where: str, samples: Sequence[Sample]) -> Outcome:
    """The outcome of the gate. It passes where nothing could be compared.

    Args:
        where: the endpoint.
    """
    judged = {sample.name: sample.report for sample in samples if sample.report is not None and _judges(sample.report)}
    reasons = [reason for sample in samples for reason in sample.reasons]
    if not judged:
        return Outcome(True, f"Not judged: {where}. {' '.join(reasons)}".strip(), {})
    numbers = {
        "rows_compared": sum(report.compared for report in judged.values()),
        "values_compared": sum(feature.rows for report in judged.values() for feature in report.features),
        "differences": sum(report.differences for report in judged.values()),
    }
    differing = _sentences(judged)
    if differing:
        return Outcome(False, " ".join([f"{where}:", *differing, _FIX, *reasons]), numbers)
    rows = " and ".join(f"{report.compared} rows of {name}" for name, report in judged.items())
    equal = f"{where}: {numbers['values_compared']} values equal the offline path, in {rows}."
    return Outcome(True, " ".join([equal, *reasons]), numbers)


def _judges(report: SkewReport) -> bool:
    return bool(report.compared) or not report.passed


def _sentences(judged: Mapping[str, SkewReport]) -> list[str]:
    """What differs. A feature that differs in several samples is named once, with the first of them."""
    sentences: list[str] = []
    named: set[str] = set()
    for name, report in judged.items():
        unnamed = tuple(each for each in report.features if each.feature not in named)
        sentences += replace(report, features=unnamed).sentences(name, examples=True)
        named |= {each.feature for each in unnamed if each.differing}
    return sentences

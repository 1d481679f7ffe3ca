"""The result of a skew check: in words, as tables, and as a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from mlp_assets.endpoints.skew.feature_differences import DERIVED, FeatureDifferences
from mlp_assets.endpoints.skew.trained_definitions import OtherDefinition
from mlp_assets.endpoints.skew.visible_versions import OtherVersion
from mlp_assets.metrics.figures import axes, png

_BARS, _LISTED = 20, 5
_OTHER_DEFINITION = "another definition"
_BAD, _FINE = "#e2703a", "#0b6bcb"


@dataclass(frozen=True)
class SkewReport:
    """What a sample of a drained log shows.

    Args:
        drained, sampled, compared: rows.
        features: in the order in which the model takes them.
        versions: view -> rows that read another publication than the one that should have been visible.
        definitions: features of another definition than trained on.
        outages: view -> rows without a logged version: the store did not answer.
        not_judged: reason -> rows.
    """

    drained: int
    sampled: int
    compared: int
    features: tuple[FeatureDifferences, ...]
    versions: Mapping[str, tuple[OtherVersion, ...]] = field(default_factory=dict[str, tuple[OtherVersion, ...]])
    definitions: tuple[OtherDefinition, ...] = ()
    outages: Mapping[str, int] = field(default_factory=dict[str, int])
    not_judged: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def differences(self) -> int:
        return sum(each.differing for each in self.features)

    @property
    def passed(self) -> bool:
        return not (self.differences or self.definitions or any(self.versions.values()))

    @property
    def message(self) -> str:
        """What differs, a sentence each; empty if nothing does."""
        return " ".join(self.sentences("the rows"))

    def sentences(self, rows: str, *, examples: bool = False) -> list[str]:
        """What differs, most rows first.

        Args:
            rows: a name for the rows.
            examples: whether the largest difference and the first example of a feature are told.
        """
        differing = sorted((each for each in self.features if each.differing), key=lambda each: -each.share)
        sentences = [
            f"{_named(each)} differs in {100 * each.share:.3g} % of {rows}: {each.cause}."
            + (_example(each) if examples else "")
            for each in differing[:_LISTED]
        ]
        if len(differing) > _LISTED:
            sentences.append(f"{len(differing) - _LISTED} more features differ.")
        sentences += [_version_sentence(view, found) for view, found in self.versions.items() if found]
        return sentences + [_definition_sentence(each) for each in self.definitions[:_LISTED]]

    def feature_table(self) -> pl.DataFrame:
        """One row a feature."""
        texts = ("feature", "view", "share_differing", "largest_difference", "first_entity", "first_at")
        redefined = {each.feature for each in self.definitions}
        rows = [
            (each.feature, each.view, each.share, each.largest, each.entity, _time(each), *_values(each), cause)
            for each in self.features
            for cause in [_OTHER_DEFINITION if each.feature in redefined else each.cause]
        ]
        types = dict.fromkeys((*texts, "logged", "offline", "likely_cause"), pl.String)
        types |= {"share_differing": pl.Float64, "largest_difference": pl.Float64}
        return pl.DataFrame(rows, schema=types, orient="row")

    def version_table(self) -> pl.DataFrame:
        """One row a view of which another publication was read, with the first example."""
        rows = [
            (view, len(found), str(found[0].requested_at), found[0].logged, found[0].expected)
            for view, found in self.versions.items()
            if found
        ]
        types = {"view": pl.String, "rows": pl.Int64, "first_requested_at": pl.String}
        return pl.DataFrame(rows, schema=types | {"logged": pl.Int64, "visible": pl.Int64}, orient="row")

    def picture(self) -> bytes:
        """The share of rows that differ, by feature; the worst on top."""
        worst = sorted(self.features, key=lambda each: each.share)[-_BARS:]
        figure, (axis,) = axes(5.6, 0.9 + 0.24 * max(1, len(worst)))
        shares = [100 * each.share for each in worst]
        bars = axis.barh([each.feature for each in worst], shares, color=[_BAD if share else _FINE for share in shares])
        axis.set(title="logged features that differ from the offline path", xlabel="% of the rows", xlim=(0, 100))
        axis.bar_label(bars, fmt="%.3g", padding=3)
        return png(figure)


def _named(each: FeatureDifferences) -> str:
    return each.feature if each.view == DERIVED else f"{each.feature} of {each.view}"


def _example(each: FeatureDifferences) -> str:
    logged, offline = _values(each)
    largest = f" The largest difference is {each.largest:.3g}." if each.largest is not None else ""
    return f"{largest} The first is {each.entity} at {each.at}: {logged} online, {offline} offline."


def _version_sentence(view: str, found: tuple[OtherVersion, ...]) -> str:
    first = found[0]
    visible = f"version {first.expected} was" if first.expected is not None else "no version was"
    rows = "1 row" if len(found) == 1 else f"{len(found)} rows"
    return f"{view}: {rows} read version {first.logged} when {visible} published: stale publication."


def _definition_sentence(each: OtherDefinition) -> str:
    return (
        f"{each.feature} of {each.view}: {_OTHER_DEFINITION}. Model version {each.model_version} was trained on "
        f"{each.trained}; version {each.table_version} of the view holds {each.served}."
    )


def _time(each: FeatureDifferences) -> str | None:
    return str(each.at) if each.at is not None else None


def _values(each: FeatureDifferences) -> tuple[str | None, str | None]:
    """To the last digit: a difference may be in the last bit."""
    if not each.differing:
        return None, None
    return _text(each.logged), _text(each.offline)


def _text(value: float | None) -> str:
    return "missing" if value is None else repr(value)

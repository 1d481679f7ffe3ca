"""Computes the rows of a training set: labels, each joined with the features known at its time, derived and split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mlp_assets.errors import NothingToTrainError, RoundedLabelError
from mlp_assets.exact_numbers import first_rounded
from mlp_assets.metrics.labels import is_label
from mlp_assets.nouns.checks.texts import moment
from mlp_assets.nouns.training_set import SplitByGroup, TrainingSet
from mlp_assets.tables.as_of_join import FeatureTable, join_frame_as_visible
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.sharding import WHOLE, Shard
from mlp_assets.training_sets.compute.split import GroupParts, TimeParts, group_parts, time_parts


@dataclass(frozen=True)
class Recipe:
    """Everything needed to compute the rows of a training set. Plain data, so that another process can do it.

    Args:
        spine: keys, ``time``, ``known_at``, request columns, target and group of the labelled rows.
        numbers: the stored features and request columns that are numbers; the derived features are made from them.
        features: all features, in the order in which a model takes them.
        parts: how the rows are split; None leaves the column ``split`` out.
    """

    spine: pl.LazyFrame
    time: str
    keys: tuple[str, ...]
    tables: tuple[FeatureTable, ...]
    numbers: tuple[str, ...]
    derived: Mapping[str, pl.Expr]
    features: tuple[str, ...]
    target: str
    parts: TimeParts | GroupParts | None

    def rows(self, shard: Shard = WHOLE) -> pl.DataFrame:
        """The rows of the shard: keys, ``at``, ``known_at``, features, target and ``split``, sorted by time and key.

        The rows of all shards in order equal the rows of the whole, bit for bit.
        """
        spine = shard.filter(self.spine)
        if self.parts is not None:
            spine = self.parts.divide(spine, self.time)
        rows = spine.collect(engine="streaming")
        self._check_target(rows[self.target])
        order = [self.time, *self.keys]
        rows = rows.sort(*order, *(name for name in rows.columns if name not in order))
        joined = join_frame_as_visible(rows, self.time, self.tables, narrowed=not shard.whole)
        return with_derived(joined, self.derived, self.numbers).select(
            *self.keys,
            pl.col(self.time).alias("at"),
            "known_at",
            *self.features,
            self.target if rows.schema[self.target] == pl.String else pl.col(self.target).cast(pl.Float64),
            *(["split"] if self.parts is not None else []),
        )

    def _check_target(self, target: pl.Series) -> None:
        rounded = first_rounded(target) if target.dtype.is_integer() else None
        if rounded is not None:
            raise RoundedLabelError(
                f"Column {self.target!r} holds {rounded}. A number of the target is stored as a 64-bit float, which "
                f"would hold it as {int(float(rounded))}: beyond 2^53, two classes may become one. Declare it as "
                f"columns={{{self.target!r}: pl.String}} and make it a text in the data."
            )


def training_rows(
    training_set: TrainingSet, labels: pl.LazyFrame, tables: Sequence[FeatureTable], *, split: bool = True
) -> pl.DataFrame:
    """Keys, ``at``, ``known_at``, features, target and, with ``split``, the column ``split``; sorted by time and key.

    Arguments and errors are those of ``make_recipe``.
    """
    return make_recipe(training_set, labels, tables, split=split).rows()


def make_recipe(
    training_set: TrainingSet, labels: pl.LazyFrame, tables: Sequence[FeatureTable], *, split: bool = True
) -> Recipe:
    """The recipe of a training set's rows.

    Args:
        labels: the rows of the labels' source as ``as_declared`` returns them; rows whose target is null, NaN or
            infinite are left out. With ``features_from``, the rows also have the features.
        tables: the rows of each feature view, in the order of the training set's; none with ``features_from``.

    Raises:
        NothingToTrainError: a part of the split has no rows.
        RoundedLabelError: on reading the rows, a label is a whole number beyond 2^53.
    """
    time, target = training_set.labels.event_time, training_set.target
    spine = labels.filter(is_label(target, labels.collect_schema()[target]))
    if training_set.since is not None:
        spine = spine.filter(pl.col(time) >= moment(training_set.since))
    columns = [*training_set.keys, time, "known_at", *training_set.request, target]
    columns += training_set.stored_names if training_set.logged_by is not None else ()
    columns += [training_set.split.by] if isinstance(training_set.split, SplitByGroup) else []
    return Recipe(
        spine=spine.select(*dict.fromkeys(columns)),
        time=time,
        keys=training_set.keys,
        tables=tuple(tables),
        numbers=tuple(name for name in training_set.numbers if name not in training_set.derived),
        derived=dict(training_set.derived),
        features=training_set.feature_names,
        target=target,
        parts=_parts(training_set, spine) if split else None,
    )


def _parts(training_set: TrainingSet, spine: pl.LazyFrame) -> TimeParts | GroupParts:
    try:
        if isinstance(training_set.split, SplitByGroup):
            return group_parts(spine, training_set.split)
        return time_parts(spine, training_set.labels.event_time, training_set.split)
    except NothingToTrainError as error:
        since = f" Rows before since={training_set.since!r} are left out." if training_set.since is not None else ""
        raise NothingToTrainError(f"{training_set.where}: {error}{since}") from None

"""The rows of a training set: labels, each with the features that were known at its time, derived and divided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mlp_assets.errors import NothingToTrainError
from mlp_assets.nouns.checks.texts import moment
from mlp_assets.nouns.split import SplitByGroup
from mlp_assets.nouns.training_set import TrainingSet
from mlp_assets.tables.as_of_join import FeatureTable, join_frame_as_known
from mlp_assets.tables.derived import with_derived
from mlp_assets.tables.sharding import WHOLE, Shard
from mlp_assets.training_sets.compute.split import GroupParts, Parts, group_parts, parts_of


@dataclass(frozen=True)
class Recipe:
    """What the rows of a training set are made of: plain data, for this process or another one.

    Args:
        spine: keys, ``time``, ``known_at``, request columns, target and group of the labelled rows.
        given: the stored features and request columns that are numbers, which the derived ones are made of.
        features: all features, in the order in which a model is given them.
        parts: where the split's parts lie; None to leave the column ``split`` out.
    """

    spine: pl.LazyFrame
    time: str
    keys: tuple[str, ...]
    tables: tuple[FeatureTable, ...]
    given: tuple[str, ...]
    derived: Mapping[str, pl.Expr]
    features: tuple[str, ...]
    target: str
    parts: Parts | GroupParts | None

    def rows(self, shard: Shard = WHOLE) -> pl.DataFrame:
        """The rows of the shard: keys, ``at``, ``known_at``, features, target and ``split``, sorted by time and key.

        Those of one shard after the other are, bit for bit, the rows of the whole.
        """
        spine = shard.filter(self.spine)
        if self.parts is not None:
            spine = self.parts.divided(spine, self.time)
        asked = spine.collect(engine="streaming")
        order = [self.time, *self.keys]
        asked = asked.sort(*order, *(name for name in asked.columns if name not in order))
        joined = join_frame_as_known(asked, self.time, self.tables, narrowed=not shard.whole)
        return with_derived(joined, self.derived, self.given).select(
            *self.keys,
            pl.col(self.time).alias("at"),
            "known_at",
            *self.features,
            pl.col(self.target).cast(pl.Float64) if spine.collect_schema()[self.target] != pl.String else self.target,
            *(["split"] if self.parts is not None else []),
        )


def training_rows(
    training_set: TrainingSet, labels: pl.LazyFrame, tables: Sequence[FeatureTable], *, split: bool = True
) -> pl.DataFrame:
    """Keys, ``at``, ``known_at``, features, target and (unless ``split`` is false) ``split``; sorted by time and key.

    Args and errors: as of ``recipe``.
    """
    return recipe(training_set, labels, tables, split=split).rows()


def recipe(
    training_set: TrainingSet, labels: pl.LazyFrame, tables: Sequence[FeatureTable], *, split: bool = True
) -> Recipe:
    """What makes the rows of a training set.

    Args:
        labels: the rows of the labels' source as ``as_declared`` returns them; those without a target are left out.
        tables: the rows of each feature view, in the order of the training set's.

    Raises:
        NothingToTrainError: a part of the split has no rows.
    """
    time, target = training_set.labels.event_time, training_set.target
    spine = labels.filter(pl.col(target).is_not_null())
    if training_set.since is not None:
        spine = spine.filter(pl.col(time) >= moment(training_set.since))
    wanted = [*training_set.keys, time, "known_at", *training_set.request, target]
    wanted += [training_set.split.by] if isinstance(training_set.split, SplitByGroup) else []
    return Recipe(
        spine.select(*dict.fromkeys(wanted)),
        time,
        training_set.keys,
        tuple(tables),
        tuple(name for name in training_set.numbers if name not in training_set.derived),
        dict(training_set.derived),
        training_set.feature_names,
        target,
        _parts(training_set, spine) if split else None,
    )


def _parts(training_set: TrainingSet, spine: pl.LazyFrame) -> Parts | GroupParts:
    try:
        if isinstance(training_set.split, SplitByGroup):
            return group_parts(spine, training_set.split)
        return parts_of(spine, training_set.labels.event_time, training_set.split)
    except NothingToTrainError as error:
        since = f" Rows before since={training_set.since!r} are left out." if training_set.since is not None else ""
        raise NothingToTrainError(f"{training_set.where}: {error}{since}") from None

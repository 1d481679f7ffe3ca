"""The rows of a training set: labels, each with the features that were known at its time, derived and divided."""

from collections.abc import Sequence

import polars as pl

from mlp_assets.engine.asof import FeatureTable, join_as_known
from mlp_assets.engine.derived import with_derived
from mlp_assets.engine.split import with_split
from mlp_assets.spec.errors import NothingToTrainError
from mlp_assets.spec.training_set import TrainingSet
from mlp_assets.spec.words import moment


def training_rows(
    training_set: TrainingSet, labels: pl.LazyFrame, tables: Sequence[FeatureTable], *, split: bool = True
) -> pl.DataFrame:
    """Keys, ``at``, ``known_at``, features, target and (unless ``split`` is false) ``split``; sorted by time and key.

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
    spine = spine.select(*training_set.keys, time, "known_at", *training_set.request, target)
    joined = join_as_known(spine, time, tables).collect()
    given = [name for name in training_set.feature_names if name not in training_set.derived]
    rows = with_derived(joined, training_set.derived, given).select(
        *training_set.keys,
        pl.col(time).alias("at"),
        "known_at",
        *training_set.feature_names,
        pl.col(target).cast(pl.Float64),
    )
    return (_divided(training_set, rows) if split else rows).sort("at", *training_set.keys)


def _divided(training_set: TrainingSet, rows: pl.DataFrame) -> pl.DataFrame:
    try:
        return with_split(rows, "at", training_set.split)
    except NothingToTrainError as error:
        since = f" Rows before since={training_set.since!r} are left out." if training_set.since is not None else ""
        raise NothingToTrainError(f"{training_set.where}: {error}{since}") from None

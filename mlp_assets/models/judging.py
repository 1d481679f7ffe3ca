"""Judges a candidate on the newest labelled rows: by its gates, and by the checks that run on every candidate.

The test part is predicted in batches. Held for each of its rows: both models' predictions, the target, the keys, the
time, and the columns that slices are cut by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.errors import MlpError
from mlp_assets.features.definitions.kept_table import LostDefinitionError
from mlp_assets.metrics.classes import Classes
from mlp_assets.metrics.labels import is_label
from mlp_assets.metrics.metrics import Vector
from mlp_assets.models.champion_rows import rows_of_champion
from mlp_assets.models.evaluation.gates import judge
from mlp_assets.models.evaluation.judgement import Evaluation, Judgement
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.promotion_record import Champion, TrainedOn
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.training_set import SplitByGroup
from mlp_assets.orchestration.code_version import fingerprint
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.training import TrainingResult

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class PartFacts:
    """Facts of one part of a training set.

    Args:
        classes: distinct values of the target; 0 for a regression.
        first, last: times of its rows.
        example: a value of the target.
        no_label: a value of the target that is no label of the task, if any.
        no_labels: in how many rows.
    """

    rows: int
    classes: int
    first: datetime
    last: datetime
    example: Any
    no_label: Any
    no_labels: int


def describe_parts(model: Model, training_set: pl.LazyFrame) -> dict[str, PartFacts]:
    """Part -> its facts, from one pass over the times and the target."""
    target = pl.col(model.training_set.target)
    classes = target.n_unique() if model.task_kind.has_classes else pl.lit(0)
    dtype = training_set.collect_schema()[model.training_set.target]
    other = ~is_label(model.training_set.target, dtype, model.task_kind.label_values)
    facts = training_set.group_by("split").agg(
        rows=pl.len(),
        classes=classes,
        first=pl.col("at").min(),
        last=pl.col("at").max(),
        example=target.first(),
        no_label=target.filter(other).first(),
        no_labels=other.sum(),
    )
    rows = facts.collect(engine="streaming").iter_rows(named=True)
    return {row.pop("split"): PartFacts(**row) for row in rows}


def check_parts(model: Model, parts: Mapping[str, PartFacts]) -> None:
    """Raises MlpError where a part has no rows, rows of one class, or targets that the task does not have."""
    for name in PARTS:
        if name not in parts:
            raise MlpError(
                f"{model.where}: the part {name!r} of {model.training_set.where} is empty. Materialize it again."
            )
        if parts[name].no_labels:
            raise MlpError(f"{model.where}: {_no_label(model, parts[name], name)}")
        if model.task_kind.has_classes and parts[name].classes < 2:
            raise MlpError(f"{model.where}: {_one_class(model, parts[name], name)}")


def _no_label(model: Model, part: PartFacts, name: str) -> str:
    return (
        f"{part.no_labels} of {part.rows} rows of the part {name!r} have {model.training_set.target} = "
        f"{part.no_label!r}, and the labels of a binary model are 0 and 1. Correct the labels, leave such rows out of "
        "them, or write task='multiclass' or task='regression'."
    )


def _one_class(model: Model, part: PartFacts, name: str) -> str:
    span = f"{part.first:%Y-%m-%d} to {part.last:%Y-%m-%d}"
    value = repr(part.example) if isinstance(part.example, str) else f"{part.example:g}"
    several = model.task_kind.many_classes
    needs = "the model needs several there" if several else "a binary model needs both classes there"
    split = type(model.training_set.split).__name__
    return (
        f"all {part.rows} rows of the part {name!r} ({span}) have {model.training_set.target} = {value}, and {needs}. "
        f"Look at the labels of that time, or give the part more of it: split=mlp.{split}(validation=..., test=...)."
    )


def trained_on(model: Model, parts: Mapping[str, PartFacts]) -> TrainedOn:
    """Which rows the training saw: times up to the newest train or validation row, or groups by a rule."""
    split = model.training_set.split
    newest = max(parts[name].last for name in ("train", "validation") if name in parts)
    return TrainedOn(newest.isoformat(), fingerprint(split) if isinstance(split, SplitByGroup) else None)


def judge_candidate(
    scope: Scope,
    model: Model,
    training_set: pl.LazyFrame,
    result: TrainingResult,
    champion: Champion | None,
    read: Mapping[str, int | None] | None = None,
) -> tuple[Judgement, Evaluation]:
    """Evaluates the gates; returns what they answer and what they looked at.

    Args:
        read: table -> the version that the training set was made of, as far as it is known.
    """
    scorer, test = load_scorer(result.folder, result.digest), LabelledRows.of_part(training_set, "test")
    rival = _rival(scope, model, test, champion, scorer.facts.classes, read or {})
    evaluation = Evaluation(
        task=model.task_kind,
        target=model.training_set.target,
        keys=model.training_set.keys,
        features=model.training_set.feature_names,
        fit=LabelledRows.of_part(training_set, "train"),
        rows=test,
        candidate=test.predict(scorer.predict, scorer.encoding),
        champion=rival.prediction,
        seed=model.seed,
        champion_lacks=rival.lacks,
        champion_new=rival.new,
        predict=scorer.predict,
        encoding=scorer.encoding,
        size_bytes=sum(path.stat().st_size for path in result.folder.iterdir()),
        classes=rival.classes,
    )
    return judge(evaluation, tuple(model.gates)), evaluation


@dataclass(frozen=True)
class _Rival:
    """The champion beside a candidate.

    Args:
        prediction: (rows,) or (rows, classes) of the test rows; None where it cannot predict them.
        lacks: its inputs that the training set no longer has.
        new: (rows,) True for rows that it was not trained on; None for all.
        classes: those of the candidate, then those that only the champion knows.
    """

    prediction: Vector | None
    lacks: tuple[str, ...]
    new: NDArray[np.bool_] | None
    classes: Classes


def _rival(
    scope: Scope,
    model: Model,
    test: LabelledRows,
    champion: Champion | None,
    own: Classes,
    read: Mapping[str, int | None],
) -> _Rival:
    if champion is None:
        return _Rival(None, (), None, own)
    scorer = load_scorer(scope.environment.registry.download(champion.version), champion.version.digest)
    new, classes = _new_rows(model, test, champion.trained_on), own.union(scorer.facts.classes)
    if scorer.facts.task != model.task:
        return _Rival(None, (f"a target for task={scorer.facts.task!r}",), new, classes)
    try:
        with rows_of_champion(scope, model, champion.version.version, test, read) as rows:
            lacks = tuple(name for name in scorer.encoding.inputs if name not in rows.schema)
            predicted = None if lacks else rows.predict(scorer.predict, scorer.encoding)
    except LostDefinitionError:
        return _Rival(None, ("features of an earlier definition that cannot be computed any more",), new, classes)
    prediction = scorer.facts.classes.reordered_to(predicted, classes) if predicted is not None else None
    return _Rival(prediction, lacks, new, classes)


def _new_rows(model: Model, test: LabelledRows, seen: TrainedOn) -> NDArray[np.bool_] | None:
    """Rows that the champion was not trained on; None for all of them."""
    split = model.training_set.split
    if isinstance(split, SplitByGroup) and seen.split == fingerprint(split):
        return None  # the groups of the test part were kept from the champion too
    return (test.column("at") > datetime.fromisoformat(seen.until)).to_numpy() if seen.until else None

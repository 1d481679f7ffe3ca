"""How a candidate is judged: on the newest labelled rows, by its gates and by what every model must show."""

from datetime import datetime

import numpy as np
import polars as pl

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.errors import MlpError
from mlp_assets.metrics.classes import Classes
from mlp_assets.models.evaluation.gates import judge
from mlp_assets.models.evaluation.judgement import Judgement, Trial
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.training_set import SplitByGroup
from mlp_assets.orchestration.code_version import fingerprint
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import RegisteredVersion
from mlp_resources.ports.training import TrainingResult

TRAINED_TAG, SPLIT_TAG = "mlp.trained_until", "mlp.split_by_group"
_PARTS = ("train", "validation", "test")


def check_parts(model: Model, rows: pl.DataFrame) -> None:
    """Raises MlpError where a part has no rows, or those of one class only: nothing could be learnt, or judged."""
    for name in _PARTS:
        found = part(rows, name)
        if found.is_empty():
            fix = "Materialize it anew."
            raise MlpError(f"{model.where}: the part {name!r} of {model.training_set.where} is empty. {fix}")
        classes = found[model.training_set.target].unique().to_list()
        if model.task_kind.has_classes and len(classes) < 2:
            raise MlpError(f"{model.where}: {_one_class(model, found, name)}")


def _one_class(model: Model, rows: pl.DataFrame, name: str) -> str:
    target, values = model.training_set.target, rows[model.training_set.target]
    span = f"{rows['at'].min():%Y-%m-%d} to {rows['at'].max():%Y-%m-%d}"
    value = f"{values[0]:g}" if values.dtype.is_numeric() else repr(values[0])
    needs = (
        "the model needs several there" if model.task_kind.many_classes else "a binary model needs both classes there"
    )
    split = type(model.training_set.split).__name__
    return (
        f"all {rows.height} rows of the part {name!r} ({span}) have {target} = {value}, and {needs}. Look at the "
        f"labels of that time, or give the part more of it: split=mlp.{split}(validation=..., test=...)."
    )


def part(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.filter(pl.col("split") == name)


def trained_until(rows: pl.DataFrame) -> str:
    """The newest time of a row that the training saw, for the tag of its version."""
    newest = rows.filter(pl.col("split").is_in(["train", "validation"]))["at"].max()
    assert isinstance(newest, datetime)
    return newest.isoformat()


def split_tag(model: Model) -> dict[str, str]:
    """By which rule whole groups were kept from training; nothing where the rows were split by time."""
    split = model.training_set.split
    return {SPLIT_TAG: fingerprint(split)} if isinstance(split, SplitByGroup) else {}


def judged(
    scope: Scope, model: Model, rows: pl.DataFrame, result: TrainingResult, live: RegisteredVersion | None
) -> tuple[Judgement, Trial]:
    """The judgement of the candidate, and what was judged."""
    test, features = part(rows, "test"), model.training_set.feature_names
    scorer = load_scorer(result.folder, result.digest)
    predicted = scorer.predict(scorer.encoding.matrix(test))
    rival, lacks, new, classes = _rival(scope, model, test, live, scorer.known.classes)
    trial = Trial(
        model.task_kind, model.training_set.target, model.training_set.keys, features, part(rows, "train"), test,
        predicted, rival, model.seed, lacks, new, scorer.predict, scorer.encoding,
        sum(path.stat().st_size for path in result.folder.iterdir()), classes,
    )  # fmt: skip
    return judge(trial, tuple(model.gates)), trial


def _rival(
    scope: Scope, model: Model, test: pl.DataFrame, live: RegisteredVersion | None, own: Classes
) -> tuple[np.ndarray | None, tuple[str, ...], np.ndarray | None, Classes]:
    """The champion's predictions, the inputs that it lacks, which rows it was not trained on, and all classes."""
    if live is None:
        return None, (), None, own
    scorer = load_scorer(scope.environment.registry.download(live), live.digest)
    lacks = tuple(name for name in scorer.encoding.inputs if name not in test.columns)
    if scorer.known.task != model.task:
        lacks = (f"a target for task={scorer.known.task!r}",)
    until, split = live.tags.get(TRAINED_TAG), split_tag(model)
    new = (test["at"] > datetime.fromisoformat(until)).to_numpy() if until else None
    if split and live.tags.get(SPLIT_TAG) == split[SPLIT_TAG]:
        new = None  # groups of the test part were kept from it too
    classes = own.union(scorer.known.classes)
    if lacks:
        return None, lacks, new, classes
    return scorer.known.classes.reordered_to(scorer.predict(scorer.encoding.matrix(test)), classes), lacks, new, classes

"""How a candidate is judged: on the newest labelled rows, by its gates and by what every model must show."""

from datetime import datetime

import dagster as dg
import numpy as np
import polars as pl

from mlp_assets.build.common import Scope
from mlp_assets.engine.artifact import load_scorer
from mlp_assets.engine.gates import judge
from mlp_assets.engine.soundness import ALWAYS
from mlp_assets.engine.trial import Judgement, Trial
from mlp_assets.spec.errors import MlpError
from mlp_assets.spec.model import Model
from mlp_resources.ports_training import RegisteredVersion, TrainingResult

TRAINED_TAG = "mlp.trained_until"
_PARTS = ("train", "validation", "test")


def gate_checks(key: dg.AssetKey, model: Model) -> list[dg.AssetCheckSpec]:
    """The blocking checks of a candidate."""
    told = {gate.name: str(gate) for gate in model.gates} | ALWAYS
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in told.items()]


def gate_results(judgement: Judgement) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            passed=gate.passed,
            check_name=gate.name,
            metadata={"told": gate.sentence, **{name: float(value) for name, value in gate.numbers.items()}},
        )
        for gate in judgement.results
    ]


def check_parts(model: Model, rows: pl.DataFrame) -> None:
    """Raises MlpError where a part has no rows, or those of one class only: nothing could be learnt, or judged."""
    for name in _PARTS:
        found = part(rows, name)
        if found.is_empty():
            fix = "Materialize it anew."
            raise MlpError(f"{model.where}: the part {name!r} of {model.training_set.where} is empty. {fix}")
        classes = found[model.training_set.target].unique().to_list()
        if model.task == "binary" and len(classes) < 2:
            raise MlpError(f"{model.where}: {_one_class(found, name, model.training_set.target)}")


def _one_class(rows: pl.DataFrame, name: str, target: str) -> str:
    span = f"{rows['at'].min():%Y-%m-%d} to {rows['at'].max():%Y-%m-%d}"
    return (
        f"all {rows.height} rows of the part {name!r} ({span}) have {target} = {rows[target][0]:g}, and a binary model "
        "needs both classes there. Look at the labels of that time, or give the part more of it: "
        "split=mlp.SplitByTime(validation=..., test=...)."
    )


def part(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.filter(pl.col("split") == name)


def trained_until(rows: pl.DataFrame) -> str:
    """The newest time of a row that the training saw, for the tag of its version."""
    newest = rows.filter(pl.col("split").is_in(["train", "validation"]))["at"].max()
    assert isinstance(newest, datetime)
    return newest.isoformat()


def judged(
    scope: Scope, model: Model, rows: pl.DataFrame, result: TrainingResult, live: RegisteredVersion | None
) -> tuple[Judgement, Trial]:
    """The judgement of the candidate, and what was judged."""
    test, features = part(rows, "test"), model.training_set.feature_names
    scorer = load_scorer(result.artifact, result.digest)
    predicted = scorer.predict(scorer.encoding.matrix(test))
    rival, lacks, new = _rival(scope, test, live)
    trial = Trial(
        model.task, model.training_set.target, model.training_set.keys, features, part(rows, "train"), test, predicted,
        rival, model.seed, lacks, new, scorer.predict, scorer.encoding,
        sum(path.stat().st_size for path in result.artifact.iterdir()),
    )  # fmt: skip
    return judge(trial, tuple(model.gates)), trial


def _rival(
    scope: Scope, test: pl.DataFrame, live: RegisteredVersion | None
) -> tuple[np.ndarray | None, tuple[str, ...], np.ndarray | None]:
    """The champion's predictions, the inputs that it lacks, and which rows it was not trained on."""
    if live is None:
        return None, (), None
    scorer = load_scorer(scope.environment.registry.download(live), live.digest)
    lacks = tuple(name for name in scorer.encoding.inputs if name not in test.columns)
    until = live.tags.get(TRAINED_TAG)
    new = (test["at"] > datetime.fromisoformat(until)).to_numpy() if until else None
    return (None if lacks else scorer.predict(scorer.encoding.matrix(test))), lacks, new

"""The card of a model: what was measured of it, and on which rows, in words and pictures."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import polars as pl

from mlp_assets.metrics.classes import finite
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.evaluation.judgement import Judgement, Trial
from mlp_assets.models.evaluation.pictures import (
    curves_picture,
    importance_picture,
    performance_picture,
    slices_picture,
)
from mlp_assets.models.evaluation.report import Importance, PartScore, importances, part_scores, weak_spots
from mlp_assets.models.evaluation.slices import Slice
from mlp_assets.nouns.gates import OnEverySlice
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration.metadata import markdown_table
from mlp_resources.ports.training import TrainingResult


@dataclass(frozen=True)
class Card:
    """What is known of a candidate: Markdown, files beside it, and pictures."""

    text: str
    scores: tuple[PartScore, ...]
    documents: Mapping[str, str]
    pictures: Mapping[str, bytes]


def model_card(
    model: Model, trial: Trial, judgement: Judgement, rows: pl.DataFrame, result: TrainingResult, facts: dict[str, str]
) -> Card:
    """The card of a candidate that was judged.

    Args:
        rows: of the training set, with the column ``split``.
        facts: what else is to be said of it, a line each.
    """
    checks = [{"name": one.name, "passed": bool(one.passed), "told": one.sentence} for one in judgement.results]
    documents = {"checks.json": json.dumps(checks, indent=1)}
    pictures = {}
    curves = curves_picture(result.history)
    if curves is not None:
        pictures["curves"] = curves
    if not finite(trial.candidate).all():
        return Card(_text(model, (), judgement, facts, (), {}), (), documents, pictures)
    parts = [(name, rows.filter(pl.col("split") == name)) for name in ("train", "validation", "test")]
    scores, leans = tuple(part_scores(trial, parts)), importances(trial)
    weak = weak_spots(trial, _columns(model, trial))
    metric = METRICS[model.task_kind.main_metric]
    pictures |= {
        "performance": performance_picture(model.task_kind, trial.truth, trial.candidate, trial.classes.values),
        "importance": importance_picture(leans, metric.name),
    }
    for name, found in weak.items():
        pictures[f"slices-{name}"] = slices_picture(name, found, metric.name, metric.higher_is_better)
    listed = {
        "scores": [asdict(one) for one in scores],
        "importance": [asdict(one) for one in leans],
        "slices": {name: [asdict(one) for one in found] for name, found in weak.items()},
    }
    documents["report.json"] = json.dumps(listed, indent=1)
    return Card(_text(model, scores, judgement, facts, leans, weak), scores, documents, pictures)


def _columns(model: Model, trial: Trial) -> list[str]:
    """By what the rows are cut: the columns of the gates on slices, keys that name few things, and the classes."""
    asked = [gate.by for gate in model.gates if isinstance(gate, OnEverySlice)]
    keys = [key for key in model.training_set.keys if not trial.rows.schema[key].is_float()]
    classes = [model.training_set.target] if model.task_kind.many_classes else []
    return list(dict.fromkeys([*asked, *classes, *keys]))


def _text(
    model: Model,
    scores: tuple[PartScore, ...],
    judgement: Judgement,
    facts: Mapping[str, str],
    leans: "list[Importance] | tuple[Importance, ...]",
    weak: Mapping[str, list[Slice]],
) -> str:
    compared = pl.DataFrame([{"model": who, **values} for who, values in judgement.metrics.items()])
    metric = model.task_kind.main_metric
    verdict = "passed its gates" if judgement.passed else "was refused by its gates"
    about = f"{model.description}\n\n" if model.description else ""
    text = f"# {model.name}\n\n{about}Predicts `{model.training_set.target}`. It {verdict}.\n"
    text += "\n## Gates\n\n" + gates_text(judgement) + "\n"
    if scores:
        text += "\n## Metrics of each part, with 95 % intervals\n\n" + markdown_table(scores_table(scores)) + "\n"
        text += "\n## Beside its rivals, on the test rows\n\n" + markdown_table(compared) + "\n"
        told = ", ".join(f"`{one.feature}` {one.loss:.4f}" for one in leans[:10])
        text += f"\n## What it leans on\n\nLoss of {metric} when the feature is shuffled: {told}.\n"
    for name, found in weak.items():
        sliced = pl.DataFrame([asdict(one) for one in found]).rename({"metric": metric})
        text += f"\n## By {name}\n\n" + markdown_table(sliced) + "\n"
    return text + "\n## Where it comes from\n\n" + "\n".join(f"- {name}: {fact}" for name, fact in facts.items()) + "\n"


def gates_text(judgement: Judgement) -> str:
    """The outcome of each gate, a line each."""
    return "\n".join(
        f"- **{gate.name}** {'passed' if gate.passed else 'REFUSED'}: {gate.sentence}" for gate in judgement.results
    )


def scores_table(scores: tuple[PartScore, ...]) -> pl.DataFrame:
    """A row for each part, a column for each metric: value and interval."""
    found: dict[str, dict[str, object]] = {}
    for one in scores:
        row = found.setdefault(one.part, {"part": one.part, "rows": one.rows})
        row[one.metric] = f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"
    return pl.DataFrame(list(found.values()))

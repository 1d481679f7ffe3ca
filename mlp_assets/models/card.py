"""The model card: what was measured of a candidate and on which rows, in words and pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from mlp_assets.metrics.classes import finite
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.evaluation.judgement import Evaluation, Judgement
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.pictures import (
    curves_picture,
    importance_picture,
    performance_picture,
    slices_picture,
)
from mlp_assets.models.evaluation.report import (
    Importance,
    PartScore,
    importances,
    part_scores,
    sample_notes,
    weak_spots,
)
from mlp_assets.models.evaluation.slices import Slice
from mlp_assets.nouns.gates import OnEverySlice
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration.metadata import markdown_table

History = Sequence[tuple[int, str, float]]


@dataclass(frozen=True)
class Card:
    """A model card: Markdown, files beside it (name -> text) and pictures (name -> PNG)."""

    text: str
    scores: tuple[PartScore, ...]
    documents: Mapping[str, str]
    pictures: Mapping[str, bytes]


@dataclass(frozen=True)
class _Report:
    """What was computed beside the gates; empty where predictions are not finite."""

    scores: tuple[PartScore, ...] = ()
    importances: tuple[Importance, ...] = ()
    weak: Mapping[str, list[Slice]] = field(default_factory=dict[str, list[Slice]])
    notes: tuple[str, ...] = ()


def model_card(
    model: Model,
    evaluation: Evaluation,
    judgement: Judgement,
    validation: LabelledRows,
    history: History,
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
) -> Card:
    """The card of a candidate that was judged.

    Args:
        validation: the rows of the validation part.
        history: what the training logged.
        facts: further lines of the card, name -> value.
        notes: sentences on what was fitted on a sample.
    """
    checks = [{"name": gate.name, "passed": bool(gate.passed), "message": gate.sentence} for gate in judgement.results]
    documents = {"checks.json": json.dumps(checks, indent=1)}
    curves = curves_picture(history)
    pictures = {"curves": curves} if curves is not None else {}
    report = _Report(notes=tuple(notes))
    if finite(evaluation.candidate).all():
        report = _report(model, evaluation, validation, notes)
        documents["report.json"] = json.dumps(_numbers(report), indent=1)
        pictures |= _pictures(model, evaluation, report)
    return Card(_text(model, judgement, report, facts), report.scores, documents, pictures)


def _report(model: Model, evaluation: Evaluation, validation: LabelledRows, notes: Sequence[str]) -> _Report:
    parts = [("train", evaluation.fit), ("validation", validation), ("test", evaluation.rows)]
    scores = tuple(part_scores(evaluation, parts))
    return _Report(
        scores,
        tuple(importances(evaluation)),
        weak_spots(evaluation, _slice_columns(model, evaluation)),
        (*notes, *sample_notes(scores, evaluation.rows.height)),
    )


def _numbers(report: _Report) -> dict[str, Any]:
    return {
        "scores": [asdict(score) for score in report.scores],
        "importance": [asdict(importance) for importance in report.importances],
        "slices": {name: [asdict(part) for part in slices] for name, slices in report.weak.items()},
    }


def _pictures(model: Model, evaluation: Evaluation, report: _Report) -> dict[str, bytes]:
    metric, classes = METRICS[model.task_kind.main_metric], evaluation.classes.values
    performance = performance_picture(model.task_kind, evaluation.truth, evaluation.candidate, classes)
    pictures = {"performance": performance, "importance": importance_picture(report.importances, metric.name)}
    for name, slices in report.weak.items():
        pictures[f"slices-{name}"] = slices_picture(name, slices, metric.name, metric.higher_is_better)
    return pictures


def _slice_columns(model: Model, evaluation: Evaluation) -> list[str]:
    """Columns that the rows are sliced by: those of the gates, the classes, and keys that are no floats."""
    declared = [gate.by for gate in model.gates if isinstance(gate, OnEverySlice)]
    keys = [key for key in model.training_set.keys if not evaluation.rows.schema[key].is_float()]
    classes = [model.training_set.target] if model.task_kind.many_classes else []
    return list(dict.fromkeys([*declared, *classes, *keys]))


def _text(model: Model, judgement: Judgement, report: _Report, facts: Mapping[str, str]) -> str:
    compared = pl.DataFrame([{"model": who, **values} for who, values in judgement.metrics.items()])
    metric = model.task_kind.main_metric
    verdict = "passed its gates" if judgement.passed else "was refused by its gates"
    about = f"{model.description}\n\n" if model.description else ""
    text = f"# {model.name}\n\n{about}Predicts `{model.training_set.target}`. It {verdict}.\n"
    text += "\n## Gates\n\n" + gates_text(judgement) + "\n"
    if report.scores:
        text += (
            "\n## Metrics of each part, with 95 % intervals\n\n" + markdown_table(scores_table(report.scores)) + "\n"
        )
        text += "\n## Beside its rivals, on the test rows\n\n" + markdown_table(compared) + "\n"
        losses = ", ".join(f"`{each.feature}` {each.loss:.4f}" for each in report.importances[:10])
        text += f"\n## What it relies on\n\nLoss of {metric} when the feature is shuffled: {losses}.\n"
    for name, slices in report.weak.items():
        sliced = pl.DataFrame([asdict(part) for part in slices]).rename({"metric": metric})
        text += f"\n## By {name}\n\n" + markdown_table(sliced) + "\n"
    if report.notes:
        text += "\n## Samples\n\n" + "\n".join(f"- {note}" for note in report.notes) + "\n"
    return text + "\n## Where it comes from\n\n" + "\n".join(f"- {name}: {fact}" for name, fact in facts.items()) + "\n"


def gates_text(judgement: Judgement) -> str:
    """The outcome of each gate, a line each."""
    return "\n".join(
        f"- **{gate.name}** {'passed' if gate.passed else 'REFUSED'}: {gate.sentence}" for gate in judgement.results
    )


def scores_table(scores: tuple[PartScore, ...]) -> pl.DataFrame:
    """A row for each part, a column for each metric: value and interval."""
    rows: dict[str, dict[str, object]] = {}
    for score in scores:
        row = rows.setdefault(score.part, {"part": score.part, "rows": score.rows})
        row[score.metric] = f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"
    return pl.DataFrame(list(rows.values()))

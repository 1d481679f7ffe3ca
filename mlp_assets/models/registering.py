"""Builds the registry entry of a judged candidate."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlp_assets.jobs.provenance import NO_COMMIT, commit_of, environment
from mlp_assets.jobs.source_files import source_of
from mlp_assets.models.card import Card
from mlp_assets.models.evaluation.judgement import Judgement
from mlp_assets.models.promotion_record import NO_RIVAL, Champion, TrainedOn
from mlp_assets.models.promotions import sign_judgement
from mlp_assets.models.search import SearchResult
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports import registry_tags
from mlp_resources.ports.registry import Candidate, Dataset
from mlp_resources.ports.training import TrainingResult

ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class JudgedTraining:
    """A training, and everything that was found out about it.

    Args:
        champion: the version that it was judged against.
        example: some rows of the inputs.
        tags: data, code and seed, as ``provenance`` gives them.
    """

    dataset: Dataset
    result: TrainingResult
    judgement: Judgement
    card: Card
    champion: Champion | None
    trained_on: TrainedOn
    search: SearchResult
    example: pl.DataFrame
    tags: Mapping[str, str]


def provenance(model: Model, dataset: Dataset, recorded: Mapping[str, Any], code: str) -> dict[str, str]:
    """Tags that name the data, the code and the seed of a model.

    Args:
        recorded: metadata of the materialization that wrote the training set; empty where it is not known.
    """
    made_of = {}
    if recorded:
        made_of = {
            registry_tags.TABLES_READ: json.dumps(recorded["delta_versions_read"]),
            registry_tags.SHARD_BYTES: str(recorded["shard_bytes"]),
        }
    return {
        registry_tags.TRAINING_SET: json.dumps({dataset.name: dataset.version}),
        registry_tags.TRAINING_SET_DIGEST: dataset.digest,
        **made_of,
        registry_tags.CODE_VERSION: code,
        registry_tags.COMMIT: commit(model),
        registry_tags.SEED: str(model.seed),
    }


def commit(model: Model) -> str:
    """The git commit of the code that trains the model."""
    file = source_of(model.train.__module__)
    return commit_of(str(file)) if file is not None else NO_COMMIT


def candidate_of(scope: Scope, model: Model, judged: JudgedTraining, run_id: str, origin: str) -> Candidate:
    """The registry entry of a candidate.

    Args:
        run_id: of the Dagster run.
        origin: the run that this one retries, or the run itself: a retry registers the same candidate.
    """
    result, judgement, search = judged.result, judged.judgement, judged.search
    made_by = environment(model.compute.processes, result.device, model.compute.cpus)
    return Candidate(
        model=keys.registered_model(scope.project.name, model),
        key=f"{origin}:{result.digest[:16]}",
        artifact=result.folder,
        digest=result.digest,
        example=judged.example,
        params={"seed": model.seed, "processes": model.compute.processes, **model.params, **search.params},
        metrics=_metrics(judgement, judged.card, result),
        history=result.history,
        tags=_tags(scope, judged) | {registry_tags.DAGSTER_RUN: run_id},
        pictures=judged.card.pictures,
        dataset=judged.dataset,
        card=judged.card.text,
        trials=search.outcomes,
        documents={**judged.card.documents, ENVIRONMENT: json.dumps(made_by, indent=1)},
    )


def _tags(scope: Scope, judged: JudgedTraining) -> dict[str, str]:
    judgement, seen = judged.judgement, judged.trained_on
    live = judged.champion.version if judged.champion is not None else None
    signed = sign_judgement(
        scope,
        judgement,
        artifact=judged.result.digest,
        training_set=judged.dataset.digest,
        against=live,
        trained_on=seen,
    )
    compared = {who: dict(values) for who, values in judgement.metrics.items()}
    return {
        **judged.tags,
        registry_tags.GATES: registry_tags.GATES_PASSED if judgement.passed else registry_tags.GATES_REFUSED,
        registry_tags.JUDGED_AGAINST: live.version if live is not None else NO_RIVAL,
        registry_tags.JUDGEMENT: signed,
        **({registry_tags.TRAINED_UNTIL: seen.until} if seen.until else {}),
        **({registry_tags.SPLIT_BY_GROUP: seen.split} if seen.split else {}),
        registry_tags.SEARCHED_PARAMS: json.dumps(judged.search.params),
        registry_tags.COMPARED: json.dumps(compared),
    }


def _metrics(judgement: Judgement, card: Card, result: TrainingResult) -> dict[str, float]:
    rivals = {
        f"{who.replace(':', '.')}.{name}": value
        for who, values in judgement.metrics.items()
        if who != "candidate"
        for name, value in values.items()
    }
    own: dict[str, float] = {}
    for score in card.scores:
        name = f"{score.part}.{score.metric}"
        own |= {name: score.value, f"{name}.low": score.low, f"{name}.high": score.high}
    used = {
        "used.seconds": result.seconds,
        "used.cpu_seconds": result.cpu_seconds,
        "used.peak_memory_bytes": float(result.peak_memory_bytes),
        "used.gpu_memory_bytes": float(result.gpu_memory_bytes),
        "used.rows_per_second": result.rows_per_second,
    }
    known = {name: value for name, value in own.items() if value == value}  # without NaN
    return rivals | known | used

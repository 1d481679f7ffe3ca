"""What is written into the registry of a candidate."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from mlp_assets.jobs.provenance import NO_COMMIT, commit_of, environment
from mlp_assets.jobs.source_files import source_of
from mlp_assets.models.card import Card
from mlp_assets.models.evaluation.judgement import Judgement
from mlp_assets.models.judging import TRAINED_TAG, part, split_tag, trained_until
from mlp_assets.models.promotions import JUDGEMENT_TAG, NO_RIVAL, signed_judgement
from mlp_assets.models.search import Searched
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import Candidate, Dataset, RegisteredVersion
from mlp_resources.ports.training import TrainingResult

# For people: whether the gates passed, against which champion, on which rows. A promotion goes by what was signed.
GATES_TAG, RIVAL_TAG, SET_TAG = "mlp.gates", "mlp.judged_against", "mlp.training_set_digest"
READ_TAG, CODE_TAG, COMMIT_TAG = "mlp.tables_read", "mlp.code_version", "mlflow.source.git.commit"
SHARD_TAG, SEARCHED_TAG, ENVIRONMENT = "mlp.shard_bytes", "mlp.searched_params", "environment.json"
PASSED = "passed"


def provenance(model: Model, dataset: Dataset, recorded: Mapping[str, Any], code: str) -> dict[str, str]:
    """Tags that name the data, the code and the seed of a model.

    Args:
        recorded: metadata of the materialization that wrote the training set; empty where it is not known.
    """
    made_of = {}
    if recorded:
        made_of = {READ_TAG: json.dumps(recorded["delta_versions_read"]), SHARD_TAG: str(recorded["shard_bytes"])}
    return {
        "mlp.training_set": json.dumps({dataset.name: dataset.version}),
        SET_TAG: dataset.digest,
        **made_of,
        CODE_TAG: code,
        COMMIT_TAG: commit(model),
        "mlp.seed": str(model.seed),
    }


def commit(model: Model) -> str:
    """The git commit of the code that trains the model."""
    file = source_of(model.train.__module__)
    return commit_of(str(file)) if file is not None else NO_COMMIT


def candidate_of(
    scope: Scope, model: Model, rows: pl.DataFrame, dataset: Dataset, result: TrainingResult, judgement: Judgement,
    card: Card, live: RegisteredVersion | None, tags: Mapping[str, str], found: Searched, *, run_id: str, origin: str,
) -> Candidate:  # fmt: skip
    """Everything that is registered of a candidate.

    Args:
        run_id: of the Dagster run.
        origin: the run that this one retries, or the run itself: a retry registers the same candidate.
    """
    made_by = environment(model.compute.processes, result.device, model.compute.cpus)
    return Candidate(
        model=keys.registered_model(scope.project.name, model),
        key=f"{origin}:{result.digest[:16]}",
        artifact=result.folder,
        digest=result.digest,
        example=part(rows, "validation").select(model.inputs).head(5),
        params={"seed": model.seed, "processes": model.compute.processes, **model.params, **found.params},
        metrics=_metrics(judgement, card, result),
        history=result.history,
        tags={
            **tags,
            GATES_TAG: PASSED if judgement.passed else "refused",
            RIVAL_TAG: live.version if live is not None else NO_RIVAL,
            JUDGEMENT_TAG: signed_judgement(scope, judgement, result.digest, dataset.digest, live),
            TRAINED_TAG: trained_until(rows),
            **split_tag(model),
            "dagster.run_id": run_id,
            SEARCHED_TAG: json.dumps(found.params),
            "mlp.compared": json.dumps({who: dict(values) for who, values in judgement.metrics.items()}),
        },
        pictures=card.pictures,
        dataset=dataset,
        card=card.text,
        trials=found.outcomes,
        documents={**card.documents, ENVIRONMENT: json.dumps(made_by, indent=1)},
    )


def _metrics(judgement: Judgement, card: Card, result: TrainingResult) -> dict[str, float]:
    rivals = {
        f"{who.replace(':', '.')}.{name}": value
        for who, values in judgement.metrics.items()
        if who != "candidate"
        for name, value in values.items()
    }
    own: dict[str, float] = {}
    for one in card.scores:
        name = f"{one.part}.{one.metric}"
        own |= {name: one.value, f"{name}.low": one.low, f"{name}.high": one.high}
    used = {
        "used.seconds": result.seconds,
        "used.cpu_seconds": result.cpu_seconds,
        "used.peak_memory_bytes": float(result.peak_memory_bytes),
        "used.gpu_memory_bytes": float(result.gpu_memory_bytes),
        "used.rows_per_second": result.rows_per_second,
    }
    return rivals | {name: value for name, value in own.items() if value == value} | used  # NaN: there is none

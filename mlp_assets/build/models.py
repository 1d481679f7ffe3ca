"""Model -> the candidate: trained, judged by its gates, registered."""

import hashlib
import json
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from mlp_assets.build import keys
from mlp_assets.build.certificate import check_certified
from mlp_assets.build.code_version import code_version
from mlp_assets.build.common import Scope
from mlp_assets.build.judging import TRAINED_TAG, check_parts, gate_checks, gate_results, judged, part, trained_until
from mlp_assets.build.metadata import markdown_table, measured, picture
from mlp_assets.build.promotions import JUDGEMENT_TAG, NO_RIVAL, champion, signed_judgement
from mlp_assets.engine.digest import canonical_digest
from mlp_assets.engine.pictures import curves_picture, performance_picture
from mlp_assets.engine.trial import Judgement
from mlp_assets.spec import words
from mlp_assets.spec.compute import Accelerate
from mlp_assets.spec.errors import MlpError
from mlp_assets.spec.model import Model
from mlp_assets.spec.words import function_path
from mlp_resources.ports_training import Candidate, RegisteredVersion, TrainingJob, TrainingResult

# For people: whether the gates passed, against which champion, on which rows. A promotion goes by what was signed.
GATES_TAG, RIVAL_TAG, SET_TAG = "mlp.gates", "mlp.judged_against", "mlp.training_set_digest"
PASSED = "passed"


def candidate_asset(scope: Scope, model: Model) -> dg.AssetsDefinition:
    """The asset of a candidate. Its gates are blocking checks, so nothing after it runs when one fails."""
    key = keys.candidate(scope.project.name, model)

    @scope.asset(
        key=key,
        deps=[keys.training_set(scope.home(model.training_set), model.training_set)],
        check_specs=gate_checks(key, model),
        spec=model,
        kinds=["mlflow", "pytorch" if isinstance(model.compute, Accelerate) else "python"],
        what=f"A newly trained {model.name}, judged by its gates.",
        functions=[model.train],
    )
    def train(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            check_certified(context.instance, keys.training_set(scope.home(model.training_set), model.training_set))
            rows, version = _training_rows(scope, model)
            check_parts(model, rows)
            result = scope.environment.runner.run(_job(scope, model, version), context)
            live = champion(scope, model)
            judgement, predicted = judged(scope, model, rows, result, live)
            pictures = _pictures(model, rows, predicted, result)
            told = canonical_digest(rows)
            verdict = {
                GATES_TAG: PASSED if judgement.passed else "refused",
                RIVAL_TAG: live.version if live is not None else NO_RIVAL,
                SET_TAG: told,
                JUDGEMENT_TAG: signed_judgement(scope, judgement, result.digest, told, live),
            }
            registered = scope.environment.registry.register(
                _candidate(scope, model, rows, version, result, judgement, pictures, context.run.run_id, verdict)
            )
        return dg.MaterializeResult(
            metadata={n: picture(png) for n, png in pictures.items()}
            | {"mlflow": dg.MetadataValue.url(scope.environment.registry.url(registered))}
            | _metadata(registered, judgement, result, version)
            | cost.shown,
            data_version=dg.DataVersion(registered.digest[:16]),
            check_results=gate_results(judgement),
        )

    return train


def _training_rows(scope: Scope, model: Model) -> tuple[pl.DataFrame, int]:
    table = keys.table(keys.training_set(scope.home(model.training_set), model.training_set))
    version = scope.environment.lake.version(table)
    if version is None:
        raise MlpError(f"{model.training_set.where} is not there yet. Materialize it first.")
    return scope.environment.lake.scan(table, version).collect(), version


def _job(scope: Scope, model: Model, version: int) -> TrainingJob:
    table = scope.environment.lake.location(
        keys.table(keys.training_set(scope.home(model.training_set), model.training_set))
    )
    decides = (table, version, code_version(model, model.train))
    return TrainingJob(
        name=model.name,
        function=function_path(model.train),
        table=table,
        version=version,
        features=model.training_set.feature_names,
        target=model.training_set.target,
        task=model.task,
        processes=model.compute.processes,
        machines=model.compute.machines,
        gpus=model.compute.gpus,
        seed=model.seed,
        params=dict(model.params),
        same=hashlib.sha256(repr(decides).encode()).hexdigest()[:16],
        compute=model.compute.options,
        patience_seconds=words.duration(model.compute.patience).total_seconds(),
    )


def _pictures(model: Model, rows: pl.DataFrame, predicted: np.ndarray, result: TrainingResult) -> dict[str, bytes]:
    truth = part(rows, "test")[model.training_set.target].to_numpy()
    curves = curves_picture(result.history)
    drawn = {"curves": curves} if curves else {}
    if np.isfinite(predicted).all():
        drawn = {"performance": performance_picture(model.task, truth, predicted)} | drawn
    return drawn


def _candidate(
    scope: Scope, model: Model, rows: pl.DataFrame, version: int, result: TrainingResult,
    judgement: Judgement, pictures: dict[str, bytes], run_id: str, verdict: dict[str, str],
) -> Candidate:  # fmt: skip
    features = model.training_set.feature_names
    table = keys.table(keys.training_set(scope.home(model.training_set), model.training_set))
    metrics = {
        f"{_plain(who)}.{name}" if who != "candidate" else f"test.{name}": value
        for who, values in judgement.metrics.items()
        for name, value in values.items()
    }
    return Candidate(
        model=keys.registered_model(scope.project.name, model),
        key=f"{run_id}:{result.digest[:16]}",
        artifact=result.artifact,
        digest=result.digest,
        example=part(rows, "validation").select(features).head(5),
        params={"seed": model.seed, "processes": model.compute.processes, **model.params},
        metrics=metrics,
        history=result.history,
        tags=verdict
        | {
            "mlp.training_set": json.dumps({str(table): version}),
            TRAINED_TAG: trained_until(rows),
            "dagster.run_id": run_id,
            "mlp.compared": json.dumps({who: dict(values) for who, values in judgement.metrics.items()}),
        },
        pictures=pictures,
    )


def _plain(name: str) -> str:
    return name.replace(":", ".")


def _metadata(
    registered: RegisteredVersion, judgement: Judgement, result: TrainingResult, version: int
) -> dict[str, Any]:
    compared = pl.DataFrame([{"model": who, **values} for who, values in judgement.metrics.items()])
    gates = "\n".join(
        f"- **{gate.name}** {'passed' if gate.passed else 'REFUSED'}: {gate.sentence}" for gate in judgement.results
    )
    return {
        "version": registered.version,
        "mlflow_run": registered.run_id,
        "training_set_version": version,
        "compared": dg.MetadataValue.md(markdown_table(compared)),
        "gates": dg.MetadataValue.md(gates),
        "metrics": dg.MetadataValue.json({who: dict(values) for who, values in judgement.metrics.items()}),
        "artifact_digest": registered.digest,
        "training_seconds": round(result.seconds, 2),
        "training_peak_bytes": result.peak_memory_bytes,
    }

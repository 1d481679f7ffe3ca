"""Model -> the candidate: trained, judged by its gates, registered."""

import hashlib
import time
from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.artifact.encoding import fitted
from mlp_assets.errors import MlpError
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.metrics.classes import classes_of
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.card import Card, gates_text, model_card, scores_table
from mlp_assets.models.evaluation.judgement import Judgement
from mlp_assets.models.evaluation.pictures import search_picture
from mlp_assets.models.evaluation.sanity import ALWAYS
from mlp_assets.models.judging import check_parts, judged
from mlp_assets.models.promotions import champion
from mlp_assets.models.registering import candidate_of, provenance
from mlp_assets.models.search import NO_SEARCH, Searched, searched, with_params
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.checks.texts import function_path
from mlp_assets.nouns.compute import Accelerate, memory_bytes
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.metadata import markdown_table, measured, picture
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.digest import canonical_digest
from mlp_assets.tables.storage import scan_delta
from mlp_assets.training_sets.training_set_asset import require_leak_check
from mlp_resources.ports.registry import Dataset, RegisteredVersion
from mlp_resources.ports.training import TrainingResult, run_job


def candidate_asset(scope: Scope, model: Model) -> dg.AssetsDefinition:
    """The asset of a candidate. Its gates are blocking checks, so nothing after it runs when one fails."""
    key = keys.candidate(scope.project.name, model)

    @scope.asset(
        key=key,
        deps=[_training_set_key(scope, model)],
        check_specs=_gate_checks(key, model),
        spec=model,
        kinds=["mlflow", "pytorch" if isinstance(model.compute, Accelerate) else "python"],
        what=f"A newly trained {model.name}, judged by its gates.",
        functions=[model.train],
    )
    def train(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with measured() as cost:
            require_leak_check(context.instance, _training_set_key(scope, model))
            rows, dataset = _training_rows(scope, model)
            check_parts(model, rows)
            code = code_version(model, model.train)
            job = training_job(model, dataset, code)
            found = searched(scope, model, job, context.log.info) if model.search is not None else NO_SEARCH
            result = run_job(scope.environment.runner, with_params(job, found.params), context.log.info)
            live = champion(scope, model)
            trained = time.monotonic()
            judgement, trial = judged(scope, model, rows, result, live)
            recorded = _recorded(context.instance, _training_set_key(scope, model), dataset.version)
            tags = provenance(model, dataset, recorded, code)
            card = model_card(model, trial, judgement, rows, result, tags)
            described = time.monotonic()
            registered = scope.environment.registry.register(
                candidate_of(
                    scope,
                    model,
                    rows,
                    dataset,
                    result,
                    judgement,
                    card,
                    live,
                    tags,
                    found,
                    run_id=context.run.run_id,
                    origin=context.run.root_run_id or context.run.run_id,
                )
            )
            found.done()
            stages = {
                "judging_seconds": round(described - trained, 2),
                "registering_seconds": round(time.monotonic() - described, 2),
            }
        return dg.MaterializeResult(
            metadata={n: picture(png) for n, png in card.pictures.items()}
            | _searched(model, found)
            | {"mlflow": dg.MetadataValue.url(scope.environment.registry.url(registered))}
            | _metadata(registered, judgement, card, result, dataset)
            | stages
            | cost.shown,
            data_version=dg.DataVersion(registered.digest[:16]),
            check_results=_gate_results(judgement),
        )

    return train


def _training_rows(scope: Scope, model: Model) -> tuple[pl.DataFrame, Dataset]:
    lake, table = scope.environment.lake, keys.table(_training_set_key(scope, model))
    version = lake.version(table)
    if version is None:
        raise MlpError(f"{model.training_set.where} is not there yet. Materialize it first.")
    rows = lake.scan(table, version).collect()
    return rows, Dataset(str(table), lake.location(table), version, canonical_digest(rows))


def _training_set_key(scope: Scope, model: Model) -> dg.AssetKey:
    return keys.training_set(scope.home(model.training_set), model.training_set)


def _recorded(instance: dg.DagsterInstance, key: dg.AssetKey, version: int) -> dict[str, Any]:
    """Metadata of the materialization that wrote this version of the training set; empty where it is not the newest."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event is not None else None
    if materialization is None or materialization.metadata["delta_version"].value != version:
        return {}
    return {name: entry.value for name, entry in materialization.metadata.items()}


def _gate_checks(key: dg.AssetKey, model: Model) -> list[dg.AssetCheckSpec]:
    """The blocking checks of a candidate."""
    descriptions = {gate.name: str(gate) for gate in model.gates} | ALWAYS
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in descriptions.items()]


def _gate_results(judgement: Judgement) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            passed=gate.passed,
            check_name=gate.name,
            metadata={"message": gate.sentence, **{name: float(value) for name, value in gate.numbers.items()}},
        )
        for gate in judgement.results
    ]


def training_job(model: Model, dataset: Dataset, code: str) -> JobSpec:
    """What the runner is asked for; ``code`` is the code version, by which a training that was broken off is known."""
    decides = (dataset.location, dataset.version, code)
    return JobSpec(
        name=model.name,
        function=function_path(model.train),
        table=dataset.location,
        version=dataset.version,
        features=model.inputs,
        encoders=fitted(model.inputs, model.encode, _train(dataset)).told(),
        target=model.training_set.target,
        classes=_classes(model, dataset),
        task=model.task,
        processes=model.compute.processes,
        machines=model.compute.machines,
        gpus=model.compute.gpus,
        seed=model.seed,
        params=dict(model.params),
        resume_key=hashlib.sha256(repr(decides).encode()).hexdigest()[:16],
        compute=model.compute.options,
        patience_seconds=texts.duration(model.compute.patience).total_seconds(),
        image=model.compute.image,
        cpus=model.compute.cpus,
        memory_bytes=memory_bytes(model.compute.memory),
        gpu_type=model.compute.gpu_type,
    )


def _classes(model: Model, dataset: Dataset) -> tuple[Any, ...]:
    if not model.task_kind.many_classes:
        return ()
    return classes_of(_train(dataset).select(model.training_set.target).collect().to_series()).values


def _train(dataset: Dataset) -> pl.LazyFrame:
    """The rows that encoders may know."""
    return scan_delta(dataset.location, dataset.version).filter(pl.col("split") == "train")


def _searched(model: Model, found: Searched) -> dict[str, Any]:
    if not found.outcomes:
        return {}
    metric = model.task_kind.main_metric
    rows = [
        {"trial": one.number + 1, **one.params, metric: one.value, "ended": one.state, "seconds": round(one.seconds, 1)}
        for one in found.outcomes
    ]
    first = METRICS[metric].higher_is_better
    shown = pl.DataFrame(rows, infer_schema_length=None).sort(metric, descending=first, nulls_last=True)
    values = [one.value for one in found.outcomes]
    return {
        "search": picture(search_picture(values, metric, METRICS[metric].higher_is_better)),
        "trials": dg.MetadataValue.md(markdown_table(shown.head(20))),
        "searched_params": dg.MetadataValue.json(found.params),
    }


def _metadata(
    registered: RegisteredVersion, judgement: Judgement, card: Card, result: TrainingResult, dataset: Dataset
) -> dict[str, Any]:
    compared = pl.DataFrame([{"model": who, **values} for who, values in judgement.metrics.items()])
    return {
        "version": registered.version,
        "mlflow_run": registered.run_id,
        "training_set_version": dataset.version,
        "parts": dg.MetadataValue.md(markdown_table(scores_table(card.scores)) if card.scores else "none"),
        "compared": dg.MetadataValue.md(markdown_table(compared)),
        "gates": dg.MetadataValue.md(gates_text(judgement)),
        "metrics": dg.MetadataValue.json({who: dict(values) for who, values in judgement.metrics.items()}),
        "artifact_digest": registered.digest,
        "training_seconds": round(result.seconds, 2),
        "training_cpu_seconds": round(result.cpu_seconds, 2),
        "training_peak_bytes": result.peak_memory_bytes,
        "training_device": result.device,
        "training_rows_per_second": round(result.rows_per_second),
    } | ({"training_gpu_bytes": result.gpu_memory_bytes} if result.gpu_memory_bytes else {})

"""Model -> the candidate: trained, judged by its gates, registered."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.card import gates_text, model_card, scores_table
from mlp_assets.models.evaluation.judgement import Judgement
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.models.evaluation.pictures import search_picture
from mlp_assets.models.evaluation.sanity import ALWAYS
from mlp_assets.models.judging import check_parts, describe_parts, judge_candidate, trained_on
from mlp_assets.models.promotions import read_record
from mlp_assets.models.registering import JudgedTraining, candidate_of, provenance
from mlp_assets.models.search import NO_SEARCH, SearchResult, run_search, with_params
from mlp_assets.models.skew_gate import SKEW_DESCRIPTION, JudgeSkew
from mlp_assets.models.training_job import dataset_of, newest_version, training_job, training_table
from mlp_assets.nouns.compute import Accelerate
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import FEATURE_SKEW
from mlp_assets.orchestration.code_version import code_version
from mlp_assets.orchestration.metadata import markdown_table, measured, picture
from mlp_assets.orchestration.refusals import tag_refusal
from mlp_assets.orchestration.scope import Scope
from mlp_assets.training_sets.training_set_asset import require_leak_check
from mlp_resources.ports.registry import RegisteredVersion
from mlp_resources.ports.training import TrainingRunner, run_job

_IF_FAILED = "A candidate that fails it does not become the champion."


def candidate_asset(scope: Scope, model: Model, judge_skew: JudgeSkew) -> dg.AssetsDefinition:
    """The asset of a candidate. Its gates are checks; the champion goes by them, as they were signed.

    A refusal is a result, not a failure: the run goes on and succeeds, and has a tag that says which gates refused.
    """
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
        environment, training_set_key = scope.environment, _training_set_key(scope, model)
        with measured() as cost:
            require_leak_check(context.instance, training_set_key)
            version, notes = newest_version(scope, model), list[str]()
            recorded = _recorded(context.instance, training_set_key, version)
            rows = environment.lake.scan(training_table(scope, model), version)
            parts = describe_parts(model, rows)
            check_parts(model, parts)
            dataset, code = dataset_of(scope, model, version, recorded), code_version(model, model.train)
            run = context.run
            origin = run.root_run_id or run.run_id
            job = replace(training_job(model, dataset, code, notes.append), asked_by=origin)
            search = run_search(scope, model, job, context.log.info) if model.search is not None else NO_SEARCH
            goes_on = partial(_goes_on, context, environment.runner)
            result = run_job(environment.runner, with_params(job, search.params), context.log.info, goes_on)
            trained = time.monotonic()
            record = read_record(scope, model)
            champion = record.champion(environment.registry.versions(record.model))
            judgement, evaluation = judge_candidate(
                scope, model, rows, result, champion, recorded.get("delta_versions_read")
            )
            validation = LabelledRows.of_part(rows, "validation")
            tags = provenance(model, dataset, recorded, code)
            if model.skew_gate:
                judgement = judgement.with_result(judge_skew(scope, model, tags))
            card = model_card(model, evaluation, judgement, validation, result.history, tags, notes)
            judged = JudgedTraining(
                dataset, result, judgement, card, champion, trained_on(model, parts), search,
                validation.rows.select(model.inputs).head(5).collect(engine="streaming"), tags,
            )  # fmt: skip
            described = time.monotonic()
            registered = environment.registry.register(candidate_of(scope, model, judged, run.run_id, origin))
            search.forget()
            if not judgement.passed:
                _tell_refusal(context, registered, judgement)
            stages = {
                "judging_seconds": round(described - trained, 2),
                "registering_seconds": round(time.monotonic() - described, 2),
            }
        return dg.MaterializeResult(
            metadata={name: picture(png) for name, png in card.pictures.items()}
            | _search_metadata(model, search)
            | {"mlflow": dg.MetadataValue.url(environment.registry.url(registered))}
            | _metadata(registered, judged)
            | stages
            | cost.shown,
            data_version=dg.DataVersion(registered.digest[:16]),
            check_results=_gate_results(judgement),
        )

    return train


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
    """The checks of a candidate. A blocking one would end the run as a crash."""
    descriptions = {gate.name: str(gate) for gate in model.gates} | ALWAYS
    descriptions |= {FEATURE_SKEW: SKEW_DESCRIPTION} if model.skew_gate else {}
    return [
        dg.AssetCheckSpec(name, asset=key, description=f"{text.rstrip('.')}. {_IF_FAILED}")
        for name, text in descriptions.items()
    ]


def _gate_results(judgement: Judgement) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            passed=gate.passed,
            check_name=gate.name,
            metadata={"message": gate.sentence, **{name: float(value) for name, value in gate.numbers.items()}},
        )
        for gate in judgement.results
    ]


def _goes_on(context: dg.AssetExecutionContext, runner: TrainingRunner) -> bool:
    """Whether the training goes on without this run: its pod is taken away, and nobody has cancelled the run."""
    run = context.instance.get_run_by_id(context.run.run_id)
    cancelled = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
    return runner.outlives_runs and run is not None and run.status not in cancelled


def _tell_refusal(context: dg.AssetExecutionContext, version: RegisteredVersion, judgement: Judgement) -> None:
    """One line in the log for each gate that refused, and a tag of the run, which the list of runs shows."""
    refusing = [gate for gate in judgement.results if not gate.passed]
    for gate in refusing:
        context.log.warning(f"Version {version.version} of {version.model} is refused by {gate.name}: {gate.sentence}")
    tag_refusal(context, version.model, version.version, [gate.name for gate in refusing])


def _search_metadata(model: Model, search: SearchResult) -> dict[str, Any]:
    if not search.outcomes:
        return {}
    metric = model.task_kind.main_metric
    higher = METRICS[metric].higher_is_better
    rows = [
        {
            "trial": outcome.number + 1,
            **outcome.params,
            metric: outcome.value,
            "ended": outcome.state,
            "seconds": round(outcome.seconds, 1),
        }
        for outcome in search.outcomes
    ]
    best_first = pl.DataFrame(rows, infer_schema_length=None).sort(metric, descending=higher, nulls_last=True)
    values = [outcome.value for outcome in search.outcomes]
    return {
        "search": picture(search_picture(values, metric, higher)),
        "trials": dg.MetadataValue.md(markdown_table(best_first.head(20))),
        "searched_params": dg.MetadataValue.json(search.params),
    }


def _metadata(registered: RegisteredVersion, judged: JudgedTraining) -> dict[str, Any]:
    judgement, card, result = judged.judgement, judged.card, judged.result
    compared = pl.DataFrame([{"model": who, **values} for who, values in judgement.metrics.items()])
    measured_there = {
        "training_rows_per_second": round(result.rows_per_second),
        "training_gpu_bytes": result.gpu_memory_bytes,
    }
    return {
        "version": registered.version,
        "mlflow_run": registered.run_id,
        "training_set_version": judged.dataset.version,
        "parts": dg.MetadataValue.md(markdown_table(scores_table(card.scores)) if card.scores else "none"),
        "compared": dg.MetadataValue.md(markdown_table(compared)),
        "gates": dg.MetadataValue.md(gates_text(judgement)),
        "metrics": dg.MetadataValue.json({who: dict(values) for who, values in judgement.metrics.items()}),
        "artifact_digest": registered.digest,
        "training_seconds": round(result.seconds, 2),
        "training_cpu_seconds": round(result.cpu_seconds, 2),
        "training_peak_bytes": result.peak_memory_bytes,
        "training_device": result.device,
    } | {name: value for name, value in measured_there.items() if value}

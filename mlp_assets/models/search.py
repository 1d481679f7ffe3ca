"""Searches for the settings of a model that are best on the validation rows."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.artifact.signed_records import digest
from mlp_assets.jobs.early_stop import median_bounds
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.models.evaluation.labelled_rows import LabelledRows
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.search import Search
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.storage import scan_delta
from mlp_resources.ports.search import Outcome, Trial, Tuner
from mlp_resources.ports.training import TrainingFailedError, TrainingRunner, TrainingStoppedError, run_job

Log = Callable[[str], None]


@dataclass(frozen=True)
class SearchResult:
    """The params that a search chose, and every trial.

    Args:
        forget: removes the journal by which an interrupted search resumes; call it once the choice is registered.
    """

    params: dict[str, Any]
    outcomes: tuple[Outcome, ...]
    forget: Callable[[], None]


NO_SEARCH = SearchResult({}, (), lambda: None)


def with_params(job: JobSpec, params: Mapping[str, Any]) -> JobSpec:
    """The job with the settings that a search chose. Other settings are another training, with another identity."""
    if not params:
        return job
    return replace(job, params={**job.params, **params}, resume_key=f"{job.resume_key}-{digest(dict(params))[:8]}")


@dataclass(frozen=True)
class TrialWork:
    """Trains with a trial's settings and scores the model on the validation rows.

    Plain data, so that it can run in another process. The rows are predicted in batches.
    """

    runner: TrainingRunner
    job: JobSpec
    metric: str

    def __call__(self, trial: Trial) -> Outcome:
        started = time.monotonic()
        job = replace(
            self.job, params={**self.job.params, **trial.params}, resume_key=f"{self.job.resume_key}-{trial.number}"
        )
        try:
            result = run_job(self.runner, job)
        except TrainingStoppedError as stopped:
            return self._without(trial, "stopped", str(stopped), stopped.history, started)
        except TrainingFailedError as error:  # a trial that diverges ends no search
            return self._without(trial, "failed", str(error), (), started)
        scorer = load_scorer(result.folder, result.digest)
        rows = LabelledRows.of_part(scan_delta(job.table, job.version), "validation")
        truth = scorer.facts.classes.truth(rows.column(job.target))
        value = METRICS[self.metric].compute(truth, rows.predict(scorer.predict, scorer.encoding))
        if value != value:
            return self._without(trial, "failed", f"its {self.metric} is not a number", result.history, started)
        return Outcome(trial.number, trial.params, "done", value, "", result.history, time.monotonic() - started)

    def _without(
        self, trial: Trial, state: Any, message: str, history: tuple[tuple[int, str, float], ...], started: float
    ) -> Outcome:
        return Outcome(trial.number, trial.params, state, None, message, history, time.monotonic() - started)


def run_search(scope: Scope, model: Model, job: JobSpec, log: Log) -> SearchResult:
    """Runs the search, or resumes an interrupted one.

    The best trial depends on the seed alone, unless the budget ends the search.

    Raises:
        TrainingFailedError: no trial completed.
    """
    search, metric = model.search, METRICS[model.task_kind.main_metric]
    assert search is not None
    environment, name = scope.environment, f"{scope.project.name}.{model.name}-{job.resume_key}"
    tuner = environment.tuner(name, search, model.seed, higher_is_better=metric.higher_is_better)
    try:
        outcomes = _run_trials(scope, model, search, job, tuner, log)
        best = _best(model, outcomes, higher_is_better=metric.higher_is_better)
    except BaseException:
        tuner.close()
        raise
    log(f"trial {best.number + 1} is the best: {metric.name} {best.value:.5g} with {dict(best.params)}")
    return SearchResult(dict(best.params), tuple(outcomes), tuner.forget)


def _run_trials(scope: Scope, model: Model, search: Search, job: JobSpec, tuner: Tuner, log: Log) -> list[Outcome]:
    """Runs batch after batch, until all trials are done or the budget is spent."""
    environment, metric = scope.environment, METRICS[model.task_kind.main_metric]
    trials = environment.trials(search.cpus, job.function)
    work = TrialWork(environment.runner, replace(job, sharing=search.at_once), metric.name)
    while _continues(search, tuner.outcomes()):
        batch = tuner.next(search.at_once, search.trials)
        stop = _stop(search, tuner, min(trial.number for trial in batch))
        ended = list(trials.map(replace(work, job=replace(work.job, stop=stop)), batch))
        tuner.tell(ended)
        for outcome in ended:
            log(_line(outcome, metric.name, search.trials))
    return tuner.outcomes()


def _continues(search: Search, outcomes: list[Outcome]) -> bool:
    if len(outcomes) >= search.trials:
        return False
    used = sum(outcome.seconds for outcome in outcomes) / search.at_once
    return not outcomes or search.budget is None or used < texts.duration(search.budget).total_seconds()


def _stop(search: Search, tuner: Tuner, first: int) -> dict[str, Any] | None:
    """Early-stopping bounds from the trials of earlier batches, so that timing within a batch decides nothing."""
    if search.stop_early is None:
        return None
    before = [trial.history for trial in tuner.outcomes() if trial.number < first - first % search.at_once]
    rule = search.stop_early
    bounds = median_bounds(rule, before)
    return {"metric": rule.metric, "higher_is_better": rule.higher_is_better, "bounds": list(bounds.items())}


def _best(model: Model, outcomes: list[Outcome], *, higher_is_better: bool) -> Outcome:
    done = [outcome for outcome in outcomes if outcome.value is not None]
    if not done:
        reasons = "; ".join(dict.fromkeys(outcome.reason for outcome in outcomes))
        raise TrainingFailedError(f"{model.where}: none of {len(outcomes)} trials completed: {reasons}")
    sign = -1.0 if higher_is_better else 1.0
    return min(done, key=lambda outcome: (sign * (outcome.value or 0.0), outcome.number))


def _line(outcome: Outcome, metric: str, trials: int) -> str:
    ended = f"{metric} {outcome.value:.5g}" if outcome.value is not None else f"{outcome.state}: {outcome.reason}"
    return f"trial {outcome.number + 1} of {trials}, {dict(outcome.params)}: {ended} ({outcome.seconds:.0f} s)"

"""Model -> the settings that its search finds best on the validation rows."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.artifact.signed_records import digest
from mlp_assets.jobs.early_stop import median_bounds
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.metrics.metrics import METRICS
from mlp_assets.nouns.checks import texts
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.search import Search
from mlp_assets.orchestration.scope import Scope
from mlp_assets.tables.storage import scan_delta
from mlp_resources.ports.search import Outcome, Trial, Tuner
from mlp_resources.ports.training import TrainingFailedError, TrainingRunner, TrainingStoppedError, run_job

Say = Callable[[str], None]


@dataclass(frozen=True)
class Searched:
    """What a search chose, and all that it tried. ``done`` is to be called when the choice is in the registry."""

    params: dict[str, Any]
    outcomes: tuple[Outcome, ...]
    done: Callable[[], None]


NO_SEARCH = Searched({}, (), lambda: None)


def with_params(job: JobSpec, params: Mapping[str, Any]) -> JobSpec:
    """The job with the settings that a search chose; it is another training than with others."""
    if not params:
        return job
    return replace(job, params={**job.params, **params}, resume_key=f"{job.resume_key}-{digest(dict(params))[:8]}")


@dataclass(frozen=True)
class TrialWork:
    """Trains with a trial's settings and judges on the validation rows: plain data, so that a worker can do it too."""

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
        except TrainingFailedError as error:  # one that diverged ends no search
            return self._without(trial, "failed", str(error), (), started)
        scorer = load_scorer(result.folder, result.digest)
        rows = scan_delta(job.table, job.version).filter(pl.col("split") == "validation").collect()
        truth = scorer.known.classes.truth(rows[job.target])
        value = METRICS[self.metric].compute(truth, scorer.predict(scorer.encoding.matrix(rows)))
        if value != value:
            return self._without(trial, "failed", f"its {self.metric} is not a number", result.history, started)
        return Outcome(trial.number, trial.params, "done", value, "", result.history, time.monotonic() - started)

    def _without(
        self, trial: Trial, state: Any, told: str, history: tuple[tuple[int, str, float], ...], started: float
    ) -> Outcome:
        return Outcome(trial.number, trial.params, state, None, told, history, time.monotonic() - started)


def searched(scope: Scope, model: Model, job: JobSpec, say: Say) -> Searched:
    """Runs the search, or goes on with one that was broken off. Which trial is best depends on the seed alone, unless
    the budget ends it.

    Raises:
        TrainingFailedError: no trial came to an end.
    """
    search, metric = model.search, METRICS[model.task_kind.main_metric]
    assert search is not None
    environment, name = scope.environment, f"{scope.project.name}.{model.name}-{job.resume_key}"
    tuner = environment.tuner(name, search, model.seed, higher_is_better=metric.higher_is_better)
    try:
        outcomes = _run(scope, model, search, job, tuner, say)
        best = _best(model, outcomes, higher_is_better=metric.higher_is_better)
    except BaseException:
        tuner.close()
        raise
    say(f"trial {best.number + 1} is the best: {metric.name} {best.value:.5g} with {dict(best.params)}")
    return Searched(dict(best.params), tuple(outcomes), tuner.forget)


def _run(scope: Scope, model: Model, search: Search, job: JobSpec, tuner: Tuner, say: Say) -> list[Outcome]:
    """Batch after batch, until all trials were made or the budget is spent."""
    environment, metric = scope.environment, METRICS[model.task_kind.main_metric]
    trials = environment.trials(search.cpus, job.function)
    work = TrialWork(environment.runner, replace(job, sharing=search.at_once), metric.name)
    while _goes_on(search, tuner.outcomes()):
        batch = tuner.next(search.at_once, search.trials)
        told = replace(work, job=replace(work.job, stop=_stop(search, tuner, min(one.number for one in batch))))
        ended = list(trials.map(told, batch))
        tuner.tell(ended)
        for outcome in ended:
            say(_line(outcome, metric.name, search.trials))
    return tuner.outcomes()


def _goes_on(search: Search, outcomes: list[Outcome]) -> bool:
    if len(outcomes) >= search.trials:
        return False
    used = sum(outcome.seconds for outcome in outcomes) / search.at_once
    return not outcomes or search.budget is None or used < texts.duration(search.budget).total_seconds()


def _stop(search: Search, tuner: Tuner, first: int) -> dict[str, Any] | None:
    """By the trials of earlier batches alone: how fast its neighbours are decides nothing for a trial."""
    if search.stop_early is None:
        return None
    before = [one.history for one in tuner.outcomes() if one.number < first - first % search.at_once]
    rule = search.stop_early
    bounds = median_bounds(rule, before)
    return {"metric": rule.metric, "higher_is_better": rule.higher_is_better, "bounds": list(bounds.items())}


def _best(model: Model, outcomes: list[Outcome], *, higher_is_better: bool) -> Outcome:
    done = [one for one in outcomes if one.value is not None]
    if not done:
        told = "; ".join(dict.fromkeys(one.reason for one in outcomes))
        raise TrainingFailedError(f"{model.where}: none of {len(outcomes)} trials came to an end: {told}")
    sign = -1.0 if higher_is_better else 1.0
    return min(done, key=lambda one: (sign * (one.value or 0.0), one.number))


def _line(outcome: Outcome, metric: str, trials: int) -> str:
    ended = f"{metric} {outcome.value:.5g}" if outcome.value is not None else f"{outcome.state}: {outcome.reason}"
    return f"trial {outcome.number + 1} of {trials}, {dict(outcome.params)}: {ended} ({outcome.seconds:.0f} s)"

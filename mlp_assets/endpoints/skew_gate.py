"""The gate on skew: whether the features that a candidate will read online equal those of the offline path.

Two samples are compared. The predictions that the endpoint answered last count for the features that the candidate
reads in the same place: by the definition of the view that these predictions read. And the candidate's own look-ups are
made now, for the entities of these predictions. They count for all of its features.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from mlp_assets.endpoints.replica.plan import ModelPlan
from mlp_assets.endpoints.served_views import look_up_plan
from mlp_assets.endpoints.serving_plan import model_plan
from mlp_assets.endpoints.skew.look_ups import look_up_rows
from mlp_assets.endpoints.skew.narrowed_plan import narrow_plan
from mlp_assets.endpoints.skew.recent_predictions import RecentPredictions, recent_predictions
from mlp_assets.endpoints.skew.report import SkewReport
from mlp_assets.endpoints.skew.samples import Sample, describe_samples
from mlp_assets.endpoints.skew.skew_check import SkewCheck
from mlp_assets.errors import MlpError
from mlp_assets.features.definitions.kept_table import version_of
from mlp_assets.features.definitions.trained import TrainedDefinitions
from mlp_assets.models.evaluation.judgement import GateResult
from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.feature_view import FeatureView
from mlp_assets.nouns.model import Model
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.check_names import FEATURE_SKEW
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.serving import OnlineUnavailableError, OnlineView

_CANDIDATE = "candidate"
_TEXT = 300


def judge_skew(scope: Scope, model: Model, tags: Mapping[str, str]) -> GateResult:
    """Judges a candidate by each endpoint of the project that serves the model.

    Args:
        tags: with which the candidate will be registered: they name the tables that it was trained on.
    """
    endpoints = [endpoint for endpoint in scope.project.endpoints if endpoint.model is model]
    if not endpoints:
        return _not_judged(f"no endpoint of project {scope.project.name!r} serves {model.where}.")
    if not model.training_set.features:
        return _not_judged(f"{model.where} reads no features of views.")
    results = [_judge_endpoint(scope, endpoint, tags) for endpoint in endpoints]
    passed, message = all(result.passed for result in results), " ".join(result.sentence for result in results)
    counts = Counter[str]()
    for result in results:
        counts.update({name: int(count) for name, count in result.numbers.items()})
    return GateResult(FEATURE_SKEW, passed, message, dict(counts))


def _judge_endpoint(scope: Scope, endpoint: Endpoint, tags: Mapping[str, str]) -> GateResult:
    try:
        table = keys.table(keys.predictions(scope.project.name, endpoint))
        recent = recent_predictions(scope.environment.lake, table)
        if recent is None:
            return _not_judged(f"no predictions of {endpoint.where} were drained yet.")
        gate = _SkewGate(scope, endpoint, recent, tags)
    except Exception as error:  # a training of hours must not be lost to a gate that cannot be judged
        return _not_judged(f"{endpoint.where}: {_text(error)}")
    samples = [_attempt("the newest predictions", gate.of_log), _attempt("look-ups of now", gate.of_now)]
    outcome = describe_samples(endpoint.where, samples)
    return GateResult(FEATURE_SKEW, outcome.passed, outcome.message, outcome.numbers)


class _SkewGate:
    def __init__(self, scope: Scope, endpoint: Endpoint, recent: RecentPredictions, tags: Mapping[str, str]) -> None:
        self._scope, self._endpoint, self._recent = scope, endpoint, recent
        self._views = endpoint.model.training_set.features
        self._trained = TrainedDefinitions(scope, endpoint.model, {_CANDIDATE: tags})

    def of_log(self, name: str) -> Sample:
        """The newest predictions, by the features that the candidate reads in the same place."""
        version = self._recent.model_version
        views = [view for view in self._views if self._is_read_as_logged(view)]
        notes = _listed(name, "which the candidate reads by another definition", self._views, views)
        if not views:
            return Sample(name, None, notes)
        derived = _shared(self._derived(version), self._derived(_CANDIDATE))
        report = self._check(version, views, self._recent.rows, derived, self._recent.newest)
        return Sample(name, replace(report, versions={}), notes)  # look-ups tell what is online now

    def of_now(self, name: str) -> Sample:
        """What the candidate would be given now for the entities of the newest predictions."""
        online = {view.name: opened for view in self._views if (opened := self._open(view)) is not None}
        views = [view for view in self._views if view.name in online]
        notes = _listed(name, "which is not online by the candidate's definition yet", self._views, views)
        if not views:
            return Sample(name, None, notes)
        now, derived = self._scope.environment.now(), self._derived(_CANDIDATE)
        narrowed = narrow_plan(self._plan(_CANDIDATE), derived, list(online), self._recent.rows.columns)
        rows = look_up_rows(narrowed, online, self._recent.rows, now)
        return Sample(name, self._check(_CANDIDATE, views, rows, derived), notes)

    def _check(
        self,
        version: str,
        views: list[FeatureView],
        rows: pl.DataFrame,
        derived: Mapping[str, pl.Expr],
        newest: Mapping[str, int] | None = None,
    ) -> SkewReport:
        narrowed = narrow_plan(self._plan(version), derived, [view.name for view in views], rows.columns)
        check = SkewCheck(self._scope, narrowed.plan, self._trained, views, derived=narrowed.derived)
        check.add(rows)
        return check.report(rows.height, rows.height, newest)

    def _is_read_as_logged(self, view: FeatureView) -> bool:
        """Whether the candidate looks the view up in the place that the newest predictions read."""
        logged, version = self._recent.newest.get(view.name), self._recent.model_version
        trained = self._trained.view(view, version)
        if logged is None or trained is None:
            return False
        read = trained if version_of(logged) is not None else self._trained.at(view, logged)
        return read.definition == self._trained.looked_up(view, _CANDIDATE)

    def _open(self, view: FeatureView) -> OnlineView | None:
        plan = look_up_plan(self._scope, self._trained, view, _CANDIDATE)
        try:
            return self._scope.environment.online.open_view(plan.location, plan.features)
        except OnlineUnavailableError:
            raise
        except MlpError:
            return None

    def _plan(self, version: str) -> ModelPlan:
        model, then = self._endpoint.model, self._trained.model(version)
        return ModelPlan.from_json(model_plan(self._scope, model, self._endpoint.name, version, "", "", then))

    def _derived(self, version: str) -> Mapping[str, pl.Expr]:
        return self._trained.model(version).training_set.derived


def _shared(logged: Mapping[str, pl.Expr], candidates: Mapping[str, pl.Expr]) -> dict[str, pl.Expr]:
    """The derived features that both models compute alike."""
    return {
        name: each
        for name, each in logged.items()
        if name in candidates and each.meta.serialize() == candidates[name].meta.serialize()
    }


def _listed(name: str, why: str, views: Iterable[FeatureView], judged: Sequence[FeatureView]) -> tuple[str, ...]:
    left_out = [view.name for view in views if view not in judged]
    return (f"Not judged by {name}: {', '.join(left_out)}, {why}.",) if left_out else ()


def _attempt(name: str, judge: Callable[[str], Sample]) -> Sample:
    try:
        return judge(name)
    except Exception as error:  # a training of hours must not be lost to a gate that cannot be judged
        return Sample(name, None, (f"Not judged by {name}: {_text(error)}",))


def _not_judged(reason: str) -> GateResult:
    return GateResult(FEATURE_SKEW, True, f"Not judged: {reason}")


def _text(error: Exception) -> str:
    """The first line of the error: a database adds its whole query."""
    return f"{type(error).__name__}: {' '.join(str(error).splitlines()[:1])[:_TEXT]}"

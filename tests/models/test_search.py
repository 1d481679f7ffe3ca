"""A search: the same choice however it was broken off, its trials in MLflow, and the best of them before the gates."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.models.search import run_search
from mlp_assets.platform import reproduce_version
from mlp_resources.ports.training import JobHandle, TrainingFailedError
from tests.support import shop
from tests.support.logistic import SPACE
from tests.support.platform import Platform, failure
from tests.support.searches import built, prepared, with_search

__all__ = ["built"]  # a fixture
NAME = "shop.comes_again"


def test_the_best_is_trained_judged_and_registered_with_its_trials(built: Platform) -> None:
    made = Platform(with_search(mlp.Search(SPACE, trials=5)), built.environment.home)
    result = made.run("training_set", "candidate")
    assert any(entry.user_message.startswith("step 9: loss ") for entry in made.instance.all_logs(result.run_id))
    registry = made.environment.registry
    version = registry.versions(NAME)[-1]
    client = registry._client()  # type: ignore[attr-defined]
    chosen = json.loads(version.tags["mlp.searched_params"])
    assert set(chosen) == set(SPACE)
    run = client.get_run(version.run_id)
    assert {name: run.data.params[name] for name in chosen} == {name: str(value) for name, value in chosen.items()}
    children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{version.run_id}'")
    assert len(children) == 5
    best = max(children, key=lambda child: child.data.metrics["value"])
    assert best.data.params == {name: str(value) for name, value in chosen.items()}
    assert [point.step for point in client.get_metric_history(best.info.run_id, "loss")] == [9, 19, 29]
    shown = made.metadata("candidate", "comes_again")
    assert shown["searched_params"] == chosen
    assert str(shown["search"]).startswith("![picture](data:image/png;base64,")
    assert not list((made.environment.home / "training" / "searches").glob("*.journal"))
    again = reproduce_version(made.project, made.project.models[0], version.version, environment=made.environment)
    assert again.weights.same


def test_the_choice_is_the_same_however_often_it_is_broken_off(
    built: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = mlp.Search(SPACE, trials=7, at_once=2, stop_early=mlp.StopEarly("loss", after=2))
    whole = run_search(*prepared(built, search, "whole"), log=lambda _: None)
    assert any(one.state == "stopped" for one in whole.outcomes)
    from mlp_resources.compute.local_training import LocalRunner

    own, calls, lock = LocalRunner.submit, [0], threading.Lock()

    def dies(self: LocalRunner, spec: JobSpec) -> JobHandle:
        with lock:
            calls[0] += 1
            dead = calls[0] % 3 == 0
        if dead:
            raise KeyboardInterrupt
        return own(self, spec)

    with monkeypatch.context() as broken:
        broken.setattr(LocalRunner, "submit", dies)
        for _ in range(12):
            try:
                resumed = run_search(*prepared(built, search, "broken"), log=lambda _: None)
                break
            except KeyboardInterrupt:
                continue
        else:
            pytest.fail("it never completed")
    assert calls[0] > 7
    assert resumed.params == whole.params
    outcomes = [
        [(trial.number, trial.params, trial.state, trial.value, trial.history) for trial in search.outcomes]
        for search in (whole, resumed)
    ]
    assert outcomes[0] == outcomes[1]
    resumed.forget()
    whole.forget()


def test_a_trial_that_fails_ends_no_search_and_none_left_is_told(built: Platform) -> None:
    space = {**SPACE, "dies": mlp.Choice([True, False])}
    found = run_search(*prepared(built, mlp.Search(space, trials=6), "some"), log=lambda _: None)
    states = [one.state for one in found.outcomes]
    assert {"done", "failed"} <= set(states)
    assert found.params["dies"] is False
    found.forget()
    with pytest.raises(TrainingFailedError, match=r"none of 2 trials completed: .*it cannot learn with these"):
        run_search(*prepared(built, mlp.Search(SPACE, trials=2), "none", dies=True), log=lambda _: None)
    made = Platform(with_search(mlp.Search(SPACE, trials=2), dies=True), built.environment.home)
    before = len(made.environment.registry.versions(NAME))
    assert "none of 2 trials completed" in failure(made.run("training_set", "candidate", fails=True))
    assert len(made.environment.registry.versions(NAME)) == before


def test_a_budget_ends_a_search_after_the_trials_that_run(built: Platform) -> None:
    search = mlp.Search(SPACE, trials=50, at_once=2, budget="1s")
    found = run_search(*prepared(built, search, "budget"), log=lambda _: None)
    found.forget()
    assert 2 <= len(found.outcomes) <= 6  # a trial takes about a second, and two run at a time


def test_the_journal_of_one_search_is_not_shared(built: Platform) -> None:
    """Two runs of the same search at once: the second keeps nothing, and comes to the same."""
    scope, model, job = prepared(built, mlp.Search(SPACE, trials=2), "shared")
    name = f"shop.comes_again-{job.resume_key}"
    held = built.environment.tuner(name, mlp.Search(SPACE), model.seed, higher_is_better=True)
    found = run_search(scope, model, job, log=lambda _: None)
    found.forget()
    assert [one.number for one in found.outcomes] == [0, 1]
    assert held.outcomes() == []
    held.forget()


def test_settings_that_cannot_be_searched_are_told_together(tmp_path: Path) -> None:
    space = {
        "rate": mlp.FloatRange(1.0, 0.1), "zero": mlp.FloatRange(0, 1, log=True), "none": mlp.Choice([]),
        "list": mlp.Choice([[1]]), "nan": mlp.Choice([float("nan")]),
    }  # fmt: skip
    search = mlp.Search(space, trials=0, at_once=0, cpus=0, budget="soon", stop_early=mlp.StopEarly("loss", after=0))
    found = " ".join(str(problem) for problem in replace(shop.make().models[0], search=search).problems())
    for message in (
        "'rate' ranges from 1 to 0.1. Write the smaller number first",
        "'zero' ranges from 0 to 1 with log=True. Write a low above 0",
        "'none' has nothing to choose from",
        "'list' may be [1], which is not a plain value",
        "'nan' may be a number that is not finite",
        "trials=0 is too few",
        "at_once=0 is too few",
        "cpus=0 reserves nothing",
        "budget='soon'",
        "after=0 is too few",
    ):
        assert message in found
    assert "its space has no parameter" in str(replace(shop.make().models[0], search=mlp.Search({})).problems()[0])

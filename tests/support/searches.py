"""A search over trees on the shop, and the platform that it runs on."""

from dataclasses import replace
from typing import Any

import pytest

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.models.training_job import training_job
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import Dataset
from tests.support import shop
from tests.support.champions import WEEKS
from tests.support.platform import Platform

SPACE = {
    "rate": mlp.FloatRange(0.001, 0.5, log=True),
    "leaves": mlp.IntRange(2, 31),
    "objective": mlp.Choice(["binary", "cross_entropy"]),
}


def train(run: mlp.TrainingRun) -> object:
    """Trees that are judged after each ten of them."""
    import lightgbm

    if run.params.get("dies"):
        raise mlp.MlpError("it cannot learn with these")
    settings = {
        "objective": run.params["objective"], "learning_rate": run.params["rate"], "num_leaves": run.params["leaves"],
        "metric": "binary_logloss" if run.params["objective"] == "binary" else "cross_entropy",
        "verbose": -1, "num_threads": 1, "seed": run.seed,
    }  # fmt: skip
    data = lightgbm.Dataset(run.train.x.astype(float), run.train.y, free_raw_data=False)
    other = lightgbm.Dataset(run.validation.x.astype(float), run.validation.y, reference=data)
    curve: dict[str, Any] = {}
    booster = lightgbm.train(
        settings, data, 30, valid_sets=[other], valid_names=["v"], callbacks=[lightgbm.record_evaluation(curve)]
    )
    for step, value in enumerate(next(iter(curve["v"].values()))):
        if step % 10 == 9:
            run.log(step, loss=value)
    return booster


def with_search(search: mlp.Search, **params: Any) -> mlp.Project:
    project = shop.make()
    (model,) = project.models
    for name, value in {"train": train, "search": search, "params": params}.items():
        object.__setattr__(model, name, value)
    return project


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(shop.make(), tmp_path_factory.mktemp("built"))
    platform.run("source", "features", tags=WEEKS)
    platform.run("training_set")
    return platform


def prepared(built: Platform, search: mlp.Search, same: str, **params: Any) -> tuple[Scope, mlp.Model, JobSpec]:
    project = with_search(search, **params)
    (model,) = project.models
    location = built.environment.home / "lake" / "shop" / "training_set" / "history"
    job = training_job(model, Dataset("history", str(location), 1, ""), "code")
    return Scope(project, built.environment), model, replace(job, resume_key=same)

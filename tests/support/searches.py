"""A search on the shop, and the platform that it runs on."""

from dataclasses import replace
from typing import Any

import pytest

import mlp_assets as mlp
from mlp_assets.jobs.job_spec import JobSpec
from mlp_assets.models.training_job import training_job
from mlp_assets.orchestration.scope import Scope
from mlp_resources.ports.registry import Dataset
from tests.support import shop
from tests.support.champions import with_features
from tests.support.logistic import train
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots


def with_search(search: mlp.Search, **params: Any) -> mlp.Project:
    project = shop.make()
    (model,) = project.models
    for name, value in {"train": train, "search": search, "params": params}.items():
        object.__setattr__(model, name, value)
    return project


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, snapshots: Snapshots) -> Platform:
    platform = with_features(snapshots, tmp_path_factory.mktemp("built"))
    platform.run("training_set")
    return platform


def prepared(built: Platform, search: mlp.Search, same: str, **params: Any) -> tuple[Scope, mlp.Model, JobSpec]:
    project = with_search(search, **params)
    (model,) = project.models
    location = built.environment.home / "lake" / "shop" / "training_set" / "history"
    job = training_job(model, Dataset("history", str(location), 1, ""), "code")
    return Scope(project, built.environment), model, replace(job, resume_key=same)

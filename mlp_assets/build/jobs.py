"""Jobs and schedules of a project: what people launch by name."""

from typing import Any

import dagster as dg

from mlp_assets.build import keys
from mlp_assets.spec.project import Project


def project_jobs(project: Project) -> list[Any]:
    """One job a model that retrains and deploys it, and one an endpoint that drains its predictions."""
    jobs: list[Any] = []
    for model in project.models:
        endpoints = [keys.endpoint(project.name, e) for e in project.endpoints if e.model is model]
        selection = [
            keys.training_set(project.home_of(model.training_set).name, model.training_set),
            keys.candidate(project.name, model),
            keys.champion(project.name, model),
            *endpoints,
        ]
        jobs.append(
            dg.define_asset_job(
                f"{project.name}__train_{model.name}",
                dg.AssetSelection.assets(*selection),
                description=f"Joins the training set of {model.name}, trains a candidate, promotes it if it passes "
                "its gates, and lets its endpoints serve it.",
            )
        )
    for endpoint in project.endpoints:
        jobs.append(
            dg.define_asset_job(
                drain_job_name(project.name, endpoint.name),
                dg.AssetSelection.assets(
                    keys.predictions(project.name, endpoint), keys.feedback(project.name, endpoint)
                ),
                description=f"Moves the spooled predictions and feedback of {endpoint.name} to their tables.",
            )
        )
    return jobs


def project_schedules(project: Project) -> list[dg.ScheduleDefinition]:
    """Spools are drained every ten minutes."""
    return [
        dg.ScheduleDefinition(
            name=f"{drain_job_name(project.name, endpoint.name)}_every_ten_minutes",
            job_name=drain_job_name(project.name, endpoint.name),
            cron_schedule="*/10 * * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
        for endpoint in project.endpoints
    ]


def drain_job_name(project: str, endpoint: str) -> str:
    return f"{project}__drain_{endpoint}"

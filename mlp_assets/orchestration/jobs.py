"""Jobs and schedules of a project."""

from typing import Any

import dagster as dg

from mlp_assets.nouns.endpoint import Endpoint
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.project import Project
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.schedules import cadence_jobs


def project_jobs(project: Project) -> tuple[list[Any], list[Any]]:
    """(jobs, schedules): a job for each cadence, model and endpoint; a schedule for each open cadence and spool."""
    cadences = cadence_jobs(project)
    drains = [_drain_job(project, endpoint) for endpoint in project.endpoints]
    jobs = [job for job, _ in cadences] + [_training_job(project, model) for model in project.models] + drains
    schedules = [schedule for _, schedule in cadences if schedule is not None]
    return jobs, schedules + [_drain_schedule(job) for job in drains]


def _training_job(project: Project, model: Model) -> Any:
    return dg.define_asset_job(
        f"{project.name}__train_{model.name}",
        dg.AssetSelection.assets(*keys.retraining(project, model)),
        description=f"Joins the training set of {model.name}, trains a candidate, promotes it if it passes "
        "its gates, and lets its endpoints serve it.",
    )


def _drain_job(project: Project, endpoint: Endpoint) -> Any:
    drained = keys.predictions(project.name, endpoint), keys.feedback(project.name, endpoint)
    return dg.define_asset_job(
        f"{project.name}__drain_{endpoint.name}",
        dg.AssetSelection.assets(*drained),
        description=f"Moves the spooled predictions and feedback of {endpoint.name} to their tables.",
    )


def _drain_schedule(job: Any) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{job.name}_every_ten_minutes",
        job=job,
        cron_schedule="*/10 * * * *",
        description="Moves what the endpoint has logged since to its tables. Nothing is lost between two runs.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )

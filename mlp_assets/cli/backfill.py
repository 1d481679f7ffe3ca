"""``mlp backfill``: computes what is missing of a project's history, in as few runs as possible."""

from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout
from rich.console import Console

from mlp_assets.cli.backfill_progress import BackfillProgress
from mlp_assets.cli.formatting import count
from mlp_assets.errors import MlpError
from mlp_assets.feature_store.workspace import load_workspace
from mlp_assets.local_platform.services import Ports
from mlp_assets.local_platform.supervisor import running_instance
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.project import Project
from mlp_assets.platform import Days, Summary, backfill_project
from mlp_resources.environments.home import home, prepare_home
from mlp_resources.environments.settings import load_settings


def report(console: Console, workspace: Path, name: str, days: Days) -> bool:
    """Runs the backfill and prints what it did. Returns False where something was not computed.

    Raises:
        MlpError: there is no such project, or the days cannot be computed.
        KeyboardInterrupt: it was interrupted; what was computed is kept.
    """
    project = _find_project(workspace, name)
    prepare_home()
    folder = home() / "run"
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(folder / f"backfill-{project.name}.lock", timeout=0):
            summary = _run(console, project, days)
    except Timeout:
        raise MlpError(f"Another `mlp backfill {project.name}` is at work. Wait until it is done, or end it.") from None
    except KeyboardInterrupt:
        _say(console, f"Interrupted. What was computed is kept. {_go_on(project, days)}")
        raise
    _say(console, _verdict(project, summary, days))
    if summary.interrupted:
        raise KeyboardInterrupt
    return summary.succeeded


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _find_project(workspace: Path, name: str) -> Project:
    loaded = load_workspace(workspace)
    projects = {project.name: project for project in loaded.projects}
    if name in projects:
        return projects[name]
    failed = "".join(f" Code location {location} did not load: {why}" for location, why in loaded.failed.items())
    raise MlpError(f"The workspace {workspace} has no project {name!r}. {did_you_mean(name, projects)}{failed}")


def _run(console: Console, project: Project, days: Days) -> Summary:
    url = f"http://127.0.0.1:{Ports.from_settings(load_settings()).dagster}/runs" if running_instance() else None
    with (
        dg.DagsterInstance.from_config(str(home() / "dagster")) as instance,
        BackfillProgress(console, url) as progress,
    ):
        summary = backfill_project(project, days, instance=instance, progress=progress)
        progress.summarize(summary)
        return summary


def _verdict(project: Project, summary: Summary, days: Days) -> str:
    computed = sum(summary.computed(each.key) for each in summary.work)
    skipped = sum(summary.skipped_of(each) for each in summary.work)
    done = f"{count(computed, 'partition')} computed in {count(len(summary.runs), 'run')}, {summary.seconds:.0f} s"
    published = f", {count(len(summary.published), 'view')} published" if summary.published else ""
    rest = f"; {skipped} were up to date" + ("" if days.again else ", `--again` computes them too") if skipped else ""
    sentence = f"{done}{published}{rest}."
    if summary.interrupted:
        return f"Interrupted: {sentence} What was computed is kept. {_go_on(project, days)}"
    if summary.failed:
        return f"Failed: {sentence} What was computed is kept. Fix the cause, then: {_go_on(project, days)}"
    return f"{sentence}{_today(summary)}"


def _today(summary: Summary) -> str:
    if not summary.left_to:
        return ""
    jobs = " and ".join(summary.left_to)
    return f" Today's partition is left to the schedule of {jobs}: to have it now, launch the job for it in Dagster."


def _go_on(project: Project, days: Days) -> str:
    options = "".join(f" {option} {day}" for option, day in (("--from", days.first), ("--to", days.last)) if day)
    return f"`mlp backfill {project.name}{options}` goes on with the rest."

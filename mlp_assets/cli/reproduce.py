"""``mlp reproduce``: trains a registered version again from the recorded versions of its inputs, and compares."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlp_assets.errors import MlpError
from mlp_assets.feature_store.workspace import load_workspace
from mlp_assets.nouns.checks.texts import did_you_mean
from mlp_assets.nouns.model import Model
from mlp_assets.nouns.project import Project
from mlp_assets.platform import Reproduction, reproduce_version
from mlp_resources.environments.home import prepare_home

_FORM = re.compile(r"([a-z0-9_]+)/([a-z0-9_]+)@([0-9]+)")
_SHOWN = 60


def report(console: Console, workspace: Path, named: str, tolerance: float) -> bool:
    """Prints what is equal and what differs. Returns False if the version was not reproduced.

    Raises:
        MlpError: the version does not exist, or an input of it is gone.
    """
    project, model, number = _find_version(load_workspace(workspace).projects, named)
    prepare_home()
    with console.status(f"Building the training set of {named} again, training, comparing …"):
        reproduction = reproduce_version(project, model, number, tolerance=tolerance)
    console.print(_table(reproduction))
    console.print(
        _verdict(reproduction, named), style="green" if reproduction.holds else "red", markup=False, highlight=False
    )
    return reproduction.holds


def _find_version(projects: Sequence[Project], named: str) -> tuple[Project, Model, str]:
    form = _FORM.fullmatch(named)
    if form is None:
        raise MlpError(f"{named!r} is not a version. Write PROJECT/MODEL@VERSION, such as retail/repurchase@3.")
    project_name, model_name, number = form.groups()
    models = {f"{project.name}/{model.name}": (project, model) for project in projects for model in project.models}
    match = models.get(f"{project_name}/{model_name}")
    if match is None:
        hint = did_you_mean(f"{project_name}/{model_name}", models)
        raise MlpError(f"The workspace has no model {project_name}/{model_name}. {hint}")
    return (*match, number)


def _table(reproduction: Reproduction) -> Table:
    table = Table(show_edge=False)
    for column in ("", "what", "registered", "now"):
        table.add_column(column)
    for part in (*reproduction.causes, reproduction.weights):
        mark = "[green]=[/]" if part.same else "[yellow]≠[/]"
        table.add_row(mark, part.what, _short(part.then), _short(part.now) if not part.same else "the same")
    for name, then, now in reproduction.metrics:
        mark = "[green]=[/]" if then == now else "[yellow]≠[/]"
        table.add_row(mark, f"{name} of the test rows", f"{then:.6f}", f"{now:.6f}" if then != now else "the same")
    return table


def _short(text: str) -> str:
    return escape(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _verdict(reproduction: Reproduction, named: str) -> str:
    if reproduction.weights.same and reproduction.holds:
        return f"{named} was reproduced, bit for bit."
    listed = ", ".join(reproduction.differs)
    where = (
        f" It was trained at commit {reproduction.commit.then}; here is {reproduction.commit.now}."
        if "code" in listed
        else ""
    )
    if "training set" in reproduction.differs:
        return f"The training set differs, so the model does too. These differ: {listed}.{where}"
    if not reproduction.differs:
        return (
            "Data, code, seed, libraries and hardware are the same, and the weights are not: the training depends on "
            "something else, such as time, the order of threads, or a seed of its own. Predictions differ by at most "
            f"{reproduction.largest:.2g}."
        )
    near = "within" if reproduction.holds else "beyond"
    verb = "differs" if len(reproduction.differs) == 1 else "differ"
    return (
        f"The weights differ, because {listed} {verb}. The metrics are {near} {reproduction.tolerance:.1%} of the "
        f"registered ones; predictions differ by at most {reproduction.largest:.2g}.{where}"
    )

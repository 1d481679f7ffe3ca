"""``mlp reproduce``: a registered version, made again from the versions of everything that it was made of."""

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
    """Prints what is the same and what differs; False when the version was not had again.

    Raises:
        MlpError: there is no such version, or it cannot be made again.
    """
    project, model, number = _found(load_workspace(workspace).projects, named)
    prepare_home()
    with console.status(f"Building the training set of {named} again, training, comparing …"):
        found = reproduce_version(project, model, number, tolerance=tolerance)
    console.print(_table(found))
    console.print(_verdict(found, named), style="green" if found.holds else "red", markup=False, highlight=False)
    return found.holds


def _found(projects: Sequence[Project], named: str) -> tuple[Project, Model, str]:
    form = _FORM.fullmatch(named)
    if form is None:
        raise MlpError(f"{named!r} names no version. Write PROJECT/MODEL@VERSION, such as retail/repurchase@3.")
    project_name, model_name, number = form.groups()
    models = {f"{project.name}/{model.name}": (project, model) for project in projects for model in project.models}
    known = models.get(f"{project_name}/{model_name}")
    if known is None:
        hint = did_you_mean(f"{project_name}/{model_name}", models)
        raise MlpError(f"The workspace has no model {project_name}/{model_name}. {hint}")
    return (*known, number)


def _table(found: Reproduction) -> Table:
    table = Table(show_edge=False)
    for column in ("", "what", "registered", "now"):
        table.add_column(column)
    for one in (*found.causes, found.weights):
        mark = "[green]=[/]" if one.same else "[yellow]≠[/]"
        table.add_row(mark, one.what, _short(one.then), _short(one.now) if not one.same else "the same")
    for name, then, now in found.metrics:
        mark = "[green]=[/]" if then == now else "[yellow]≠[/]"
        table.add_row(mark, f"{name} of the test rows", f"{then:.6f}", f"{now:.6f}" if then != now else "the same")
    return table


def _short(text: str) -> str:
    return escape(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _verdict(found: Reproduction, named: str) -> str:
    if found.weights.same and found.holds:
        return f"{named} was made again, to the last bit."
    listed = ", ".join(found.differs)
    where = f" It was trained at commit {found.commit.then}; here is {found.commit.now}." if "code" in listed else ""
    if "training set" in found.differs:
        return f"The training set is not the same, so nothing after it can be. Besides, these differ: {listed}.{where}"
    if not found.differs:
        return (
            "Data, code, seed, libraries and hardware are the same, and the weights are not: the training depends on "
            "something else, such as time, the order of threads, or a seed of its own. Predictions differ by at most "
            f"{found.largest:.2g}."
        )
    near = "within" if found.holds else "beyond"
    return (
        f"The weights differ, as {listed} {'does' if len(found.differs) == 1 else 'do'}; the metrics are {near} "
        f"{found.tolerance:.1%} of the registered ones, predictions differ by at most {found.largest:.2g}.{where}"
    )
